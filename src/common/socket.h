/* Unix sockets. */
#ifndef SCANOUT_SOCKET_H
#define SCANOUT_SOCKET_H

#include <sys/uio.h>
#include <systemd/sd-event.h>

/*
 * Binds a stream socket to a path, replacing one left over there, and listens. `mode` says who
 * may connect: 0666 is every process that can reach the directory. Returns the fd, or negative
 * errno.
 */
int socket_listen(const char *path, mode_t mode);
/* Connects a stream socket to one that listens at a path, at once or not at all. Returns the fd, or
 * negative errno. */
int socket_connect(const char *path);

#define SOCKET_MAX_FDS 2

/* Connections that a handler of socket_serve() may accept in a turn: a crowd that never ends must
 * not keep the loop. */
#define SOCKET_MAX_ACCEPTED 1024

/* Calls accepted() when there are new connections. Takes fd over on success. */
int socket_serve(
	sd_event *event, sd_event_source **ret, int fd, sd_event_io_handler_t accepted, void *data);
/* Accepts the next connection of a socket that socket_serve() reports; negative errno if none. */
int socket_accept(int fd);

/*
 * Sends a whole message, with an fd if pass_fd is not negative. If the client's socket buffer is
 * full, shuts the connection down instead of waiting; the end of file then ends it.
 */
void socket_send(int fd, const struct iovec *parts, size_t n_parts, int pass_fd);

/* Sends fds to socket_receive(), not more than SOCKET_MAX_FDS. Returns negative errno if they
 * cannot be sent at once. */
int socket_pass(int fd, const int *fds, size_t n_fds);
/*
 * Receives one message with so many fds, which the caller owns. -EAGAIN: there is no message;
 * -ENOTCONN: the other end has closed; -EBADMSG: a message with another number of them.
 */
int socket_receive(int fd, int *ret_fds, size_t n_fds);

#endif
