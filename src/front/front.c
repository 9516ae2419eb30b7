#include "front/front.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A container needs one connection, or a few while something in it restarts. */
#define MAX_GUESTS 32
/* Messages taken from one connection before the next has its turn. */
#define MAX_BURST 16
/* A close that the container has made wait ends the process; with that, nothing of it is left. */
#define STUCK_SEC 60

static void exit_if_over(struct front *front) {
	if (front->n_guests > 0) {
		return;
	}
	if (front->hatch.source) {
		hatch_tell_idle(&front->hatch);
	} else {
		(void)sd_event_exit(front->event, 0);
	}
}

static void say_why(struct front *front, const struct guest *guest, int error) {
	const char *why = error == -ENOBUFS  ? "does not read its answers"
			  : error == -ENOMEM ? "sends more than its front has memory for"
					     : NULL;
	if (why) {
		say_seldom(&front->thrown_out, "Guest uid %d, pid %d %s; its connection ends",
			(int)guest->driver.peer.uid, (int)guest->driver.peer.pid, why);
	}
}

static void handle_ended(void *data, struct guest *guest, int error) {
	struct front *front = data;
	say_why(front, guest, error);
	LIST_REMOVE(guest, entry);
	front->n_guests--;
	guest_destroy(guest);
	exit_if_over(front);
}

static void handle_received(void *data, int client, int pidfd) {
	struct front *front = data;
	const struct guest_options options = {.server = &front->server,
		.address = front->address,
		.ended = handle_ended,
		.data = front};
	struct guest *guest;
	if (front->n_guests >= MAX_GUESTS) {
		close(client);
		close(pidfd);
		return;
	}
	int r = guest_create(&guest, &options, client, pidfd);
	if (r == -ENOMEM) {
		_exit(EXIT_FAILURE);
	} else if (r < 0) {
		/* One that is gone has nobody to miss it. */
		if (r != -ECONNRESET && r != -EPIPE) {
			say_seldom(&front->refused, "Refused a client: %s", strerror(-r));
		}
		exit_if_over(front);
	} else {
		LIST_INSERT_HEAD(&front->guests, guest, entry);
		front->n_guests++;
	}
}

static void handle_closed(void *data) {
	exit_if_over(data);
}

int front_open(struct front *front, sd_event *event, const char *address, int fd) {
	*front = (struct front){
		.event = event,
		.address = address,
		.hatch = {.received = handle_received, .closed = handle_closed, .data = front},
	};
	LIST_INIT(&front->guests);
	int r = server_init(&front->server, event, MAX_BURST);
	if (r < 0) {
		close(fd);
		return r;
	}
	return hatch_open(&front->hatch, event, fd);
}

int front_run(struct front *front) {
	int r = 0, code;
	while (r >= 0 && sd_event_get_state(front->event) != SD_EVENT_FINISHED) {
		r = sd_event_prepare(front->event);
		if (r == 0) {
			alarm(0);
			r = sd_event_wait(front->event, UINT64_MAX);
			alarm(STUCK_SEC);
		}
		if (r > 0) {
			r = sd_event_dispatch(front->event);
		}
	}
	return r < 0 || sd_event_get_exit_code(front->event, &code) < 0 ? r : code;
}

void front_close(struct front *front) {
	while (!LIST_EMPTY(&front->guests)) {
		struct guest *guest = LIST_FIRST(&front->guests);
		LIST_REMOVE(guest, entry);
		guest_destroy(guest);
	}
	hatch_close(&front->hatch);
	server_finish(&front->server);
}
