/* Listening unix sockets. */
#ifndef SCANOUT_SOCKET_H
#define SCANOUT_SOCKET_H

#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-event.h>

/*
 * Binds a stream socket to a path, in place of one left over there, and listens. Everybody who
 * can reach the folder may connect. Returns the descriptor, or negative errno.
 */
int socket_listen(const char *path);
/* The same of another type (SOCK_…) for those whom `mode` lets in. */
int socket_listen_as(const char *path, int type, mode_t mode);

/*
 * Calls accepted() with each new connection, which the callee owns from then on. Takes fd over on
 * success. A crowd of connections is let in at a bounded pace.
 */
int socket_serve(
	sd_event *event, sd_event_source **ret, int fd, sd_event_io_handler_t accepted, void *data);
/* The next connection of a socket that socket_serve() says is readable, or negative errno. */
int socket_accept(int fd);

/*
 * Sends a message whole, with a descriptor if pass_fd is not negative, or hangs up: a client that
 * leaves a whole socket buffer unread is not waited for. Its end of file then ends it.
 */
void socket_send(int fd, const struct iovec *parts, size_t n_parts, int pass_fd);

/* Sends a descriptor for socket_receive(). Returns negative errno if it cannot be sent at once. */
int socket_pass(int fd, int pass_fd);
/*
 * Receives one message with a descriptor in it, which the caller owns. -EAGAIN: nothing is there;
 * -ENOTCONN: the other end has hung up; -EBADMSG: a message without a descriptor.
 */
int socket_receive(int fd, int *ret_fd);

#endif
