#include "guest.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus.h"
#include "common/cleanup.h"
#include "common/socket.h"
#include "log.h"
#include "passed.h"

#define MAX_SOCKETS 8

struct guest {
	sd_event *event;
	struct bus *bus;
	sd_event_source *sockets[MAX_SOCKETS];
	bool agents[MAX_SOCKETS]; // who may speak on them
	size_t n_sockets;
	char *path; // of the one to remove at the end, or NULL
};

static void let_in(struct guest *guest, int fd, bool agent) {
	int client = socket_accept(fd);
	int r = client < 0 ? client : bus_add_guest(guest->bus, client, agent);
	if (r < 0 && r != -EAGAIN) {
		log_warning("%s is turned away: %s", agent ? "An agent" : "A guest", strerror(-r));
	}
}

static int handle_guest(sd_event_source *source, int fd, uint32_t events, void *data) {
	let_in(data, fd, false);
	return 0;
}

static int handle_agent(sd_event_source *source, int fd, uint32_t events, void *data) {
	let_in(data, fd, true);
	return 0;
}

static int serve(struct guest *guest, int fd, sd_event_io_handler_t handle_connection) {
	if (guest->n_sockets == MAX_SOCKETS) {
		return -ENOBUFS;
	}
	int r = socket_serve(
		guest->event, &guest->sockets[guest->n_sockets], fd, handle_connection, guest);
	if (r >= 0) {
		guest->agents[guest->n_sockets++] = handle_connection == handle_agent;
	}
	return r;
}

/* Whether the last daemon made this one and handed it over. */
static bool is_served(const struct guest *guest, const char *path) {
	struct sockaddr_un address = {0};
	for (size_t i = 0; i < guest->n_sockets; i++) {
		socklen_t size = sizeof(address) - 1;
		int fd = sd_event_source_get_io_fd(guest->sockets[i]);
		if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
			strcmp(address.sun_path, path) == 0) {
			return true;
		}
	}
	return false;
}

static int serve_path(struct guest *guest, const char *path) {
	char directory[PATH_MAX];
	snprintf(directory, sizeof(directory), "%s", path);
	/* A directory of its own: a container mounts that, since a mounted socket goes stale when
	 * the socket is made again. umask is not for it: everybody shall reach the socket. */
	mode_t mask = umask(0022);
	int r = mkdir(dirname(directory), 0755) < 0 && errno != EEXIST ? -errno : 0;
	umask(mask);
	if (r < 0) {
		return r;
	}
	AUTO_FREE char *copy = strdup(path);
	if (!copy) {
		return -ENOMEM;
	}
	AUTO_CLOSE int fd = -1;
	if (!is_served(guest, path)) {
		r = fd = socket_listen(path);
	}
	if (r < 0) {
		return r;
	}
	guest->path = TAKE_PTR(copy);
	r = fd < 0 ? 0 : serve(guest, fd, handle_guest);
	if (r >= 0) {
		fd = -1; // the event source's
	}
	return r;
}

static int serve_passed(struct guest *guest, struct passed *passed, const char *prefix,
	sd_event_io_handler_t handle_connection) {
	const char *name;
	int taken, r = 0;
	while (r >= 0 && (taken = passed_take(passed, prefix, &name)) >= 0) {
		r = serve(guest, taken, handle_connection);
		if (r < 0) {
			close(taken);
		}
	}
	return r;
}

int guest_listen(sd_event *event, struct bus *bus, struct passed *passed, const char *path,
	struct guest **ret) {
	struct guest *guest = calloc(1, sizeof(*guest));
	if (!guest) {
		return -ENOMEM;
	}
	guest->event = event;
	guest->bus = bus;
	int r = serve_passed(guest, passed, "guest", handle_guest);
	if (r >= 0) {
		r = serve_passed(guest, passed, "agent", handle_agent);
	}
	if (r >= 0 && path) {
		r = serve_path(guest, path);
	}
	if (r < 0) {
		log_error("Cannot listen for guests on %s: %s",
			path ? path : "the socket of systemd", strerror(-r));
		guest_destroy(guest);
		return r;
	}
	*ret = guest;
	return 0;
}

void guest_pause(struct guest *guest, bool paused) {
	for (size_t i = 0; guest && i < guest->n_sockets; i++) {
		sd_event_source_set_enabled(guest->sockets[i], paused ? SD_EVENT_OFF : SD_EVENT_ON);
	}
}

int guest_append(const struct guest *guest, struct passed *passed) {
	int r = 0;
	for (size_t i = 0; guest && r >= 0 && i < guest->n_sockets; i++) {
		r = passed_add(passed, guest->agents[i] ? "agent" : "guest",
			sd_event_source_get_io_fd(guest->sockets[i]));
	}
	return r;
}

void guest_leave(struct guest *guest) {
	if (guest) {
		free(TAKE_PTR(guest->path));
	}
}

void guest_destroy(struct guest *guest) {
	if (!guest) {
		return;
	}
	for (size_t i = 0; i < guest->n_sockets; i++) {
		sd_event_source_disable_unref(guest->sockets[i]);
	}
	if (guest->path) {
		unlink(guest->path);
		free(guest->path);
	}
	free(guest);
}
