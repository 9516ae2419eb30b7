#include "seat/weston_launch.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/socket.h"

#define MAX_PATH 256

enum {
	REQUEST_OPEN = 0,
	REQUEST_DEACTIVATE_DONE = 2
};
enum {
	EVENT_ACTIVATE = 0,
	EVENT_DEACTIVATE = 1,
	EVENT_OPEN_REPLY = 3
};

/* Followed by the path and its NUL, for REQUEST_OPEN. */
struct request {
	int32_t opcode;
	int32_t flags;
};

struct open_reply {
	int32_t event;
	int32_t result; // 0, or -1 and no descriptor
};

static void launch_send(struct weston_launch *launch, void *data, size_t size, int fd) {
	struct iovec part = {.iov_base = data, .iov_len = size};
	if (launch->source) {
		socket_send(launch->fd, &part, 1, fd);
	}
}

static void send_event(struct seat_client *base, int32_t event) {
	launch_send((struct weston_launch *)base, &event, sizeof(event), -1);
}

static void launch_pause(struct seat_client *base) {
	send_event(base, EVENT_DEACTIVATE);
}

static void launch_resume(struct seat_client *base) {
	send_event(base, EVENT_ACTIVATE);
}

static const struct seat_client_impl client_impl = {
	.pause = launch_pause,
	.resume = launch_resume,
};

static int handle_open(struct weston_launch *launch, const char *path, size_t size) {
	if (size < 2 || path[size - 1] != '\0' || strlen(path) != size - 1) {
		return -EPROTO;
	}
	/* The protocol cannot say that a device is closed: a second request implies it. A socket
	 * that a shell hands from one weston to the next shows it in no other way. */
	if (strcmp(path, launch->base.seat->card) == 0) {
		seat_close_card(&launch->base);
	}
	AUTO_CLOSE int fd = seat_open_path(&launch->base, path);
	struct open_reply reply = {
		.event = EVENT_OPEN_REPLY,
		.result = fd < 0 ? -1 : 0,
	};
	launch_send(launch, &reply, sizeof(reply), fd);
	return 0;
}

static int launch_dispatch(struct weston_launch *launch, const char *packet, size_t size) {
	struct request request;
	if (size < sizeof(request.opcode)) {
		return -EPROTO;
	}
	memcpy(&request.opcode, packet, sizeof(request.opcode));
	switch (request.opcode) {
	case REQUEST_OPEN:
		return size <= sizeof(request) ? -EPROTO
					       : handle_open(launch, packet + sizeof(request),
							 size - sizeof(request));
	case REQUEST_DEACTIVATE_DONE:
		return 0;
	default:
		return -EPROTO;
	}
}

static int handle_packet(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct weston_launch *launch = data;
	char packet[sizeof(struct request) + MAX_PATH];

	/* MSG_TRUNC: the true size, so that what was cut off is not taken for the whole. */
	ssize_t size = recv(fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
	if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (size <= 0 || (size_t)size > sizeof(packet) ||
		launch_dispatch(launch, packet, size) < 0) {
		launch->source = sd_event_source_disable_unref(launch->source);
		seat_close_card(&launch->base);
	}
	return 0;
}

int weston_launch_create(
	struct weston_launch **ret, sd_event *event, struct seat *seat, int *ret_client_fd) {
	struct weston_launch *launch = calloc(1, sizeof(*launch));
	int ends[2];
	if (!launch) {
		return -ENOMEM;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		free(launch);
		return -errno;
	}

	int r = sd_event_add_io(event, &launch->source, ends[0], EPOLLIN, handle_packet, launch);
	if (r < 0) {
		close(ends[0]);
		close(ends[1]);
		free(launch);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(launch->source, 1);
	launch->fd = ends[0];
	seat_client_init(&launch->base, seat, &client_impl, launch->fd);
	*ret = launch;
	*ret_client_fd = ends[1];
	return 0;
}

void weston_launch_destroy(struct weston_launch *launch) {
	if (!launch) {
		return;
	}
	seat_client_finish(&launch->base);
	sd_event_source_disable_unref(launch->source);
	free(launch);
}
