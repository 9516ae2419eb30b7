#include "common/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/cleanup.h"

/* A stream socket, and the address of a path. */
static int prepare(const char *path, struct sockaddr_un *ret) {
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path)) {
		return -ENAMETOOLONG;
	}
	strcpy(ret->sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

int socket_connect(const char *path) {
	struct sockaddr_un address;
	AUTO_CLOSE int fd = prepare(path, &address);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

int socket_listen(const char *path, mode_t mode) {
	struct sockaddr_un address;
	AUTO_CLOSE int fd = prepare(path, &address);
	if (fd < 0) {
		return fd;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		return -errno;
	}
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
		listen(fd, SOMAXCONN) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

int socket_serve(sd_event *event, sd_event_source **ret, int fd, sd_event_io_handler_t accepted,
	void *data) {
	sd_event_source *source = NULL;
	/* systemd passes it blocking. */
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		return -errno;
	}
	int r = sd_event_add_io(event, &source, fd, EPOLLIN, accepted, data);
	if (r < 0) {
		return r;
	}
	/* A full descriptor table must not become a busy loop, nor a crowd keep others waiting. */
	r = sd_event_source_set_ratelimit(source, 10 * 1000, 64);
	if (r < 0 || (r = sd_event_source_set_io_fd_own(source, 1)) < 0) {
		sd_event_source_disable_unref(source);
		return r;
	}
	*ret = source;
	return 0;
}

int socket_accept(int fd) {
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return client < 0 ? -errno : client;
}

/* -EMSGSIZE: not all of it. */
static int try_send(
	int fd, const struct iovec *parts, size_t n_parts, const int *pass_fds, size_t n_fds) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(SOCKET_MAX_FDS * sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = n_parts};
	size_t size = 0;

	for (size_t i = 0; i < n_parts; i++) {
		size += parts[i].iov_len;
	}
	if (n_fds > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), pass_fds, n_fds * sizeof(int));
	}
	ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent != (ssize_t)size ? -EMSGSIZE : 0;
}

void socket_send(int fd, const struct iovec *parts, size_t n_parts, int pass_fd) {
	if (try_send(fd, parts, n_parts, &pass_fd, pass_fd >= 0) < 0) {
		shutdown(fd, SHUT_RDWR);
	}
}

int socket_pass(int fd, const int *fds, size_t n_fds) {
	char byte = 0;
	struct iovec part = {.iov_base = &byte, .iov_len = sizeof(byte)};
	return try_send(fd, &part, 1, fds, n_fds);
}

int socket_receive(int fd, int *ret_fds, size_t n_fds) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(SOCKET_MAX_FDS * sizeof(int))];
	} control;
	char byte;
	struct iovec part = {.iov_base = &byte, .iov_len = sizeof(byte)};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n_fds * sizeof(int)),
	};
	ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (size < 0) {
		return errno == EINTR ? -EAGAIN : -errno;
	}
	if (size == 0) {
		return -ENOTCONN;
	}
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS) {
		return -EBADMSG;
	}
	/* Without a free number fewer arrive. */
	size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(ret_fds, CMSG_DATA(header), n * sizeof(int));
	if (n != n_fds) {
		while (n > 0) {
			close(ret_fds[--n]);
		}
		return -EBADMSG;
	}
	return 0;
}
