#include "socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cleanup.h"

int socket_listen(const char *path) {
	return socket_listen_as(path, SOCK_STREAM, 0666);
}

int socket_listen_as(const char *path, int type, mode_t mode) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);

	AUTO_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
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
	int r = sd_event_add_io(event, &source, fd, EPOLLIN, accepted, data);
	if (r < 0) {
		return r;
	}
	/* Also what keeps a full descriptor table from becoming a busy loop. */
	r = sd_event_source_set_ratelimit(source, 1000 * 1000, 64);
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
static int try_send(int fd, const struct iovec *parts, size_t n_parts, int pass_fd) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = n_parts};
	size_t size = 0;

	for (size_t i = 0; i < n_parts; i++) {
		size += parts[i].iov_len;
	}
	if (pass_fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &pass_fd, sizeof(pass_fd));
	}
	ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent != (ssize_t)size ? -EMSGSIZE : 0;
}

void socket_send(int fd, const struct iovec *parts, size_t n_parts, int pass_fd) {
	if (try_send(fd, parts, n_parts, pass_fd) < 0) {
		shutdown(fd, SHUT_RDWR);
	}
}

int socket_pass(int fd, int pass_fd) {
	char byte = 0;
	struct iovec part = {.iov_base = &byte, .iov_len = sizeof(byte)};
	return try_send(fd, &part, 1, pass_fd);
}

int socket_receive(int fd, int *ret_fd) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec part = {.iov_base = &byte, .iov_len = sizeof(byte)};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
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
	memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return 0;
}
