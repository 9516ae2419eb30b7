/* One message with text and files, over a socket that keeps messages apart (SOCK_SEQPACKET). */
#ifndef SCANOUTD_PARCEL_H
#define SCANOUTD_PARCEL_H

#include <stddef.h>

/* 64 cards with names of 255 characters, and a few files more. */
#define PARCEL_MAX_TEXT (32 * 1024)
/* The kernel's SCM_MAX_FD. */
#define PARCEL_MAX_FDS 253

/* Sends it whole, without waiting. The fds stay the caller's. Returns 0 or a negative errno. */
int parcel_send(int socket, const char *text, const int *fds, size_t n_fds);

/*
 * Waits for one as the socket does. `text` has room for PARCEL_MAX_TEXT and is terminated, `fds`
 * for PARCEL_MAX_FDS; they are the caller's. Returns how many fds came, -EPIPE if the other end is
 * closed, -EBADMSG if something of the message was lost, or another negative errno.
 */
int parcel_receive(int socket, char *text, int *fds);

#endif
