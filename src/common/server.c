#include "common/server.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"

/* A client that leaves so many messages unread does not read at all. */
#define MAX_UNREAD 256

static int read_messages(struct served *served) {
	int r = 1;
	for (unsigned i = 0; i < served->server->burst && r > 0; i++) {
		r = sd_bus_process(served->bus, NULL);
	}
	return r;
}

/* 1 if there may be more to do at once, 0 if not, a negative errno if it has to go. */
static int process(struct served *served) {
	uint64_t unread;
	int r = served->awake ? read_messages(served) : 0;
	if (r >= 0 && sd_bus_is_open(served->bus) <= 0) {
		/* A client that has shut down its side for reading shows only when it is sent
		 * something: no event comes of that. */
		r = -ENOTCONN;
	}
	if (r < 0) {
		return r;
	}
	served->awake = r > 0;
	if (sd_bus_get_n_queued_write(served->bus, &unread) < 0 || unread > MAX_UNREAD) {
		return -ENOBUFS;
	}
	int events = sd_bus_get_events(served->bus);
	return events < 0                                              ? events
	       : sd_event_source_set_io_events(served->io, events) < 0 ? -EIO
								       : r;
}

/*
 * After each round of the loop: the server side of an sd-bus connection does not wake up for bytes
 * that came in one piece with the end of the handshake (systemd 252), and one that fails does not
 * tell. Both show only to who looks.
 */
static int handle_post(sd_event_source *source, void *data) {
	struct server *server = data;
	struct served *served, *next;
	bool again = false;
	for (served = TAILQ_FIRST(&server->all); served; served = next) {
		int r = process(served);
		next = TAILQ_NEXT(
			served, link); // not earlier: its messages may have ended that one
		if (r < 0) {
			served->ended(served, r);
		}
		again |= r > 0;
	}
	/* An error here would be the last call of this function: sd-event disables what fails. */
	sd_event_source_set_enabled(server->again, again ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	return 0;
}

/* Only wakes the loop, so that handle_post() runs once more. */
static int handle_again(sd_event_source *source, void *data) {
	return 0;
}

static int handle_io(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct served *served = data;
	served->awake = true;
	return 0;
}

int server_init(struct server *server, sd_event *event, unsigned burst) {
	*server = (struct server){.event = event, .burst = burst};
	TAILQ_INIT(&server->all);
	int r = sd_event_add_defer(event, &server->again, handle_again, server);
	if (r >= 0) {
		r = sd_event_source_set_enabled(server->again, SD_EVENT_OFF);
	}
	if (r >= 0) {
		r = sd_event_add_post(event, &server->post, handle_post, server);
	}
	return r < 0 ? r : sd_event_source_set_enabled(server->post, SD_EVENT_OFF);
}

void server_finish(struct server *server) {
	server->again = sd_event_source_disable_unref(server->again);
	server->post = sd_event_source_disable_unref(server->post);
}

static int start_bus(sd_bus *bus) {
	sd_id128_t id;
	int r = sd_id128_randomize(&id);
	if (r >= 0) {
		r = sd_bus_set_server(bus, true, id);
	}
	if (r >= 0) {
		/* In a user namespace the uid that a client claims is never the one seen here, so
		 * it need not claim any: who it is was read from the socket. */
		r = sd_bus_set_anonymous(bus, true);
	}
	if (r >= 0) {
		r = sd_bus_negotiate_fds(bus, true);
	}
	if (r >= 0) {
		/* Else the end of the loop waits for who does not read, or has not said hello. */
		r = sd_bus_set_close_on_exit(bus, false);
	}
	return r < 0 ? r : sd_bus_start(bus);
}

int served_start(struct served *served, struct server *server, int fd) {
	served->server = server;
	TAILQ_INSERT_TAIL(&server->all, served, link);
	/* Of its own: sd-bus closes its fd by itself, and another process may have the same file,
	 * for which epoll goes on to tell what has happened to a source that is no more. */
	AUTO_CLOSE int watched = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int r = watched < 0 ? -errno : sd_bus_set_fd(served->bus, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = start_bus(served->bus);
	if (r >= 0) {
		r = sd_event_add_io(
			server->event, &served->io, watched, EPOLLIN, handle_io, served);
	}
	if (r >= 0) {
		r = sd_event_source_set_io_fd_own(served->io, true);
	}
	if (r >= 0) {
		(void)TAKE_FD(watched);
		r = sd_event_source_set_enabled(server->post, SD_EVENT_ON);
	}
	if (r >= 0) {
		/* sd_bus_start() has read what was there, and has not answered yet. */
		served->awake = true;
		r = sd_event_source_set_enabled(server->again, SD_EVENT_ONESHOT);
	}
	return r;
}

void served_stop(struct served *served) {
	struct server *server = served->server;
	if (!server) {
		return;
	}
	TAILQ_REMOVE(&server->all, served, link);
	served->server = NULL;
	served->io = sd_event_source_disable_unref(served->io);
	if (TAILQ_EMPTY(&server->all)) {
		sd_event_source_set_enabled(server->post, SD_EVENT_OFF);
	}
}
