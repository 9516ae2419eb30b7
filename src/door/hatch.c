#include "door/hatch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/socket.h"

static void set_untold(struct hatch *hatch, bool is_untold) {
	hatch->is_untold = is_untold;
	(void)sd_event_source_set_io_events(
		hatch->source, is_untold ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* It tells how many have come, and the door closes the socket if it has sent no more. */
void hatch_tell_idle(struct hatch *hatch) {
	if (hatch->source) {
		ssize_t sent = send(sd_event_source_get_io_fd(hatch->source), &hatch->n_received,
			sizeof(hatch->n_received), MSG_DONTWAIT | MSG_NOSIGNAL);
		set_untold(hatch, sent < 0);
	}
}

static int handle_connection(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct hatch *hatch = data;
	int fds[2];
	if (hatch->is_untold && (revents & EPOLLOUT)) {
		hatch_tell_idle(hatch);
	}
	int r = socket_receive(fd, fds, 2);
	if (r == -EAGAIN) {
		return 0;
	}
	if (r == -ENOTCONN) {
		hatch_close(hatch);
		hatch->closed(hatch->data);
		return 0;
	}
	if (r < 0) {
		/* Without a free fd. What fills them goes with the process, and the next connection
		 * has a new one. */
		return sd_event_exit(sd_event_source_get_event(source), EXIT_FAILURE);
	}
	hatch->n_received++;
	set_untold(hatch, false);
	hatch->received(hatch->data, fds[0], fds[1]);
	return 0;
}

int hatch_open(struct hatch *hatch, sd_event *event, int fd) {
	int r = sd_event_add_io(event, &hatch->source, fd, EPOLLIN, handle_connection, hatch);
	if (r < 0) {
		close(fd);
		return r;
	}
	return sd_event_source_set_io_fd_own(hatch->source, 1);
}

void hatch_close(struct hatch *hatch) {
	hatch->source = sd_event_source_disable_unref(hatch->source);
}
