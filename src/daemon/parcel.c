#include "parcel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(PARCEL_MAX_FDS * sizeof(int))];
};

int parcel_send(int socket, const char *text, const int *fds, size_t n_fds) {
	struct iovec part = {(void *)text, strlen(text)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union control control = {0};

	if (part.iov_len >= PARCEL_MAX_TEXT || n_fds > PARCEL_MAX_FDS) {
		return -E2BIG;
	}
	if (n_fds > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int read_fds(struct msghdr *message, int *ret) {
	size_t n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			size_t size = c->cmsg_len - CMSG_LEN(0);
			memcpy(ret + n, CMSG_DATA(c), size);
			n += size / sizeof(int);
		}
	}
	return (int)n;
}

int parcel_receive(int socket, char *text, int *fds) {
	struct iovec part = {text, PARCEL_MAX_TEXT - 1};
	union control control;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (size < 0) {
		return -errno;
	}
	int n = read_fds(&message, fds);
	/* The limit of open files cuts the list short. */
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size == 0 && n > 0)) {
		for (int i = 0; i < n; i++) {
			close(fds[i]);
		}
		return -EBADMSG;
	}
	text[size] = '\0';
	return size == 0 ? -EPIPE : n;
}
