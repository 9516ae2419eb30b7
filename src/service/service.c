#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/socket.h"
#include "lib/lease_modes.h"

#define SECOND UINT64_C(1000000)
/* A scanout that a compositor gave up a moment ago is still being blanked; compositors wait for
 * their device a little longer than this. */
#define REQUEST_USEC (10 * SECOND)
/* For clients to see that the seat is not theirs any more, before their connection ends. */
#define REVOKED_USEC SECOND

/* Only the container's own library can tell its compositor, which may not have that. */
static void note_size(struct service *service, const struct scanout_grant *grant) {
	service->spare_message = (struct spare_message){0};
	if (grant->width != 0 && lease_modes_prefer_none(grant->fd, grant->connector)) {
		say("The host has not sized head %u; without the device 'software' most "
		    "compositors choose its largest mode. Set its size on the host",
			grant->index);
		service->spare_message = (struct spare_message){grant->width, grant->height};
	}
}

/* For the container that has connected: scanoutd finds out which that is. */
static int take_lease(void *data, int client_fd) {
	struct service *service = data;
	const struct service_options *options = service->options;
	bool any = seat_dir_is_any(options->id);
	struct scanout_request request = {
		.scanout = any ? NULL : options->id,
		.device = any ? service->dir.card : NULL,
		.label = options->label,
		.timeout_usec = REQUEST_USEC,
		.spare = true,
		.for_fd = client_fd,
	};
	struct scanout_grant grant;

	int r = scanout_client_request(&service->client, &request, &grant);
	if (r < 0) {
		return r;
	}
	if (makedev(grant.major, grant.minor) != service->dir.devnum) {
		say("Got a scanout of '%s', but the container was given '%s'", grant.device,
			service->dir.card);
		scanout_grant_finish(&grant);
		scanout_client_release(&service->client);
		return -ENODEV;
	}
	note_size(service, &grant);
	int fd = TAKE_FD(grant.fd);
	cleanup_close(&service->spare_fd);
	service->spare_fd = TAKE_FD(grant.spare_fd);
	scanout_grant_finish(&grant);
	return fd;
}

static void drop_lease(void *data) {
	struct service *service = data;
	cleanup_close(&service->spare_fd);
	service->spare_fd = -1;
	scanout_client_release(&service->client);
}

/* Sends an empty lease to a client; without one, only closes the connection. */
static void send_spare(const struct service *service, int client_fd) {
	AUTO_CLOSE int client = client_fd;
	struct spare_message message = service->spare_message;
	struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
	if (client >= 0 && service->spare_fd >= 0) {
		socket_send(client, &part, 1, service->spare_fd);
	}
}

static int handle_spare(sd_event_source *source, int fd, uint32_t revents, void *data) {
	send_spare(data, socket_accept(fd));
	return 0;
}

static void log_line(void *data, int priority, const char *text) {
	say("%s", text);
}

static const struct seat_lender lender = {
	.take_lease = take_lease,
	.drop_lease = drop_lease,
	.log = log_line,
};

static int handle_revoked_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct service *service = data;
	return sd_event_exit(service->event, 0);
}

static void set_timer(struct service *service, uint64_t usec, sd_event_time_handler_t handler) {
	service->timer = sd_event_source_disable_unref(service->timer);
	int r = sd_event_add_time_relative(
		service->event, &service->timer, CLOCK_MONOTONIC, usec, 0, handler, service);
	if (r < 0) {
		say("Cannot set a timer: %s", strerror(-r));
		(void)sd_event_exit(service->event, EXIT_FAILURE);
	}
}

/* Compositors end when their seat's connection does, and the next one starts this anew. */
static void handle_revoked(void *data, const char *reason) {
	struct service *service = data;
	say("scanoutd has ended the lease on %s (%s)", service->client.id, reason);
	seat_pause(service->seat);
	set_timer(service, REVOKED_USEC, handle_revoked_timer);
}

static void handle_resized(void *data) {
	struct service *service = data;
	(void)seat_blink(service->seat);
}

/* Compositors set their modes again when they resume: the other session has set its own. */
static void handle_paused(void *data, bool paused) {
	struct service *service = data;
	if (paused) {
		seat_pause(service->seat);
	} else {
		seat_resume(service->seat);
	}
}

static const struct scanout_client_events client_events = {
	.revoked = handle_revoked,
	.resized = handle_resized,
	.paused = handle_paused,
};

/* The socket keeps connections that arrive during the exit for the next start. */
static int handle_idle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct service *service = data;
	bool is_idle = LIST_EMPTY(&service->seat->clients);
	if (is_idle && service->was_idle) {
		if (!service->hatch.source) {
			return sd_event_exit(service->event, 0);
		}
		hatch_tell_idle(&service->hatch);
	}
	service->was_idle = is_idle;
	set_timer(service, service->options->idle_usec / 2, handle_idle_timer);
	return 0;
}

/* The last part of a socket's path, "" if it has none. */
static void read_name(int fd, char *name, size_t size) {
	struct sockaddr_un address = {0};
	socklen_t length = sizeof(address) - 1;
	name[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
		address.sun_family == AF_UNIX) {
		const char *slash = strrchr(address.sun_path, '/');
		snprintf(name, size, "%s", slash ? slash + 1 : "");
	}
}

#define NAME_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

/* Takes fd over. */
static void adopt(struct service *service, int fd) {
	char name[NAME_SIZE];
	read_name(fd, name, sizeof(name));
	if (strcmp(name, SEAT_DIR_LOGIN1) == 0) {
		(void)bus_adopt(service->login1->bus, fd);
	} else if (strcmp(name, SEAT_DIR_SEATD) == 0) {
		(void)seatd_adopt(service->seatd, fd);
	} else {
		send_spare(service, fd);
	}
}

/* Takes fd over. */
static int serve_socket(struct service *service, int fd) {
	char name[NAME_SIZE];
	int r;

	read_name(fd, name, sizeof(name));
	if (strcmp(name, SEAT_DIR_LOGIN1) == 0) {
		r = bus_listen(service->login1->bus, fd);
	} else if (strcmp(name, SEAT_DIR_SEATD) == 0) {
		r = seatd_listen(service->seatd, fd);
	} else if (strcmp(name, SEAT_DIR_SPARE) == 0) {
		r = socket_serve(service->event, &service->spare, fd, handle_spare, service);
	} else {
		say("Do not know what to serve on socket '%s'", name);
		r = -EINVAL;
	}
	return r;
}

static int serve_sockets(struct service *service) {
	int n = sd_listen_fds(1);
	if (n <= 0) {
		say("No socket was passed; start scanout-seat@ID.socket instead");
		return n < 0 ? n : -ENOTCONN;
	}
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
		int r = serve_socket(service, fd);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static void handle_received(void *data, int client, int pidfd) {
	struct service *service = data;
	close(pidfd); // scanoutd looks itself whose connection it is
	service->was_idle = false;
	adopt(service, client);
}

static void handle_closed(void *data) {
	struct service *service = data;
	service->was_idle = true;
	(void)handle_idle_timer(NULL, 0, service);
}

static int serve_instance(struct service *service) {
	service->hatch = (struct hatch){
		.received = handle_received, .closed = handle_closed, .data = service};
	return hatch_open(&service->hatch, service->event, service->options->instance_fd);
}

int service_open(struct service *service, sd_event *event, const struct service_options *options) {
	*service = (struct service){.options = options, .event = event, .spare_fd = -1};
	int r = seat_dir_init(&service->dir, options->seats, options->id);
	if (r < 0) {
		say("'%s' is not the id of a scanout; try: scanoutctl list", options->id);
		return r;
	}
	r = seat_dir_read(&service->dir, options->id);
	if (r < 0) {
		say("There is no card '%s' for %s; try: scanoutctl cdi", service->dir.card,
			options->id);
		return r;
	}
	struct seat_options seat_options = {
		.session = service->dir.session,
		.name = SEAT_DIR_SEAT,
		.card = service->dir.card,
		.devnum = service->dir.devnum,
	};
	if ((r = scanout_client_init(&service->client, event, &client_events, service)) < 0 ||
		(r = seat_create(&service->seat, event, &seat_options, &lender, service)) < 0 ||
		(r = login1_create(&service->login1, event, service->seat)) < 0 ||
		(r = seatd_create(&service->seatd, event, service->seat, SEATD_DIALECT_UNKNOWN)) <
			0) {
		return r;
	}
	r = options->instance_fd >= 0 ? serve_instance(service) : serve_sockets(service);
	if (r >= 0) {
		set_timer(service, options->idle_usec / 2, handle_idle_timer);
	}
	return r;
}

void service_close(struct service *service) {
	seatd_destroy(service->seatd);
	login1_destroy(service->login1);
	seat_destroy(service->seat);
	if (service->client.event) {
		scanout_client_finish(&service->client);
	}
	sd_event_source_disable_unref(service->spare);
	hatch_close(&service->hatch);
	sd_event_source_disable_unref(service->timer);
	cleanup_close(&service->spare_fd);
}
