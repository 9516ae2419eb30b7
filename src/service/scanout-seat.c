/*
 * scanout-seat: serves the seat of one scanout, or of any free one, on the sockets that systemd
 * passes, for a container that has nothing of ours in it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/socket.h"
#include "link/link.h"
#include "seat/login1.h"
#include "seat/place.h"
#include "seat/seatd.h"

#define SECOND UINT64_C(1000000)
/* A scanout that a compositor gave up a moment ago is still being blanked; compositors wait for
 * their device a little longer than this. */
#define REQUEST_USEC (10 * SECOND)
/* How long to be there for the next client. */
#define IDLE_USEC (30 * SECOND)
/* For clients to see that the seat is not theirs any more, before their connection ends. */
#define REVOKED_USEC SECOND

struct service {
	const char *id; // of the scanout; PLACE_ANY
	struct place place;
	sd_event *event;
	struct link link;
	struct seat *seat;
	struct login1 *login1;
	struct seatd *seatd;
	sd_event_source *spare; // listener; NULL: nobody would come for it
	int spare_fd;           // of the lease that is held; -1: none
	sd_event_source *timer;
	uint64_t idle_usec; // how long it may last
	bool was_idle;      // when looked at last
};

/* Once it had a scanout, 'any' stays with it. */
static const char *wanted(const struct service *service) {
	if (strcmp(service->id, PLACE_ANY) != 0) {
		return service->id;
	}
	return service->link.id[0] != '\0' ? service->link.id : NULL;
}

static int take_lease(void *data) {
	struct service *service = data;
	struct wish wish = {
		.scanout = wanted(service),
		.timeout_usec = REQUEST_USEC,
		.spare = service->spare != NULL,
	};
	struct grant grant;

	int r = link_request(&service->link, &wish, &grant);
	if (r < 0) {
		return r;
	}
	if (makedev(grant.major, grant.minor) != service->place.devnum) {
		say("Got a scanout of '%s', but the container was given '%s'", grant.device,
			service->place.card);
		grant_finish(&grant);
		link_release(&service->link);
		return -ENODEV;
	}
	int fd = TAKE_FD(grant.fd);
	cleanup_close(&service->spare_fd);
	service->spare_fd = TAKE_FD(grant.spare_fd);
	grant_finish(&grant);
	return fd;
}

static void drop_lease(void *data) {
	struct service *service = data;
	cleanup_close(&service->spare_fd);
	service->spare_fd = -1;
	link_release(&service->link);
}

/* An empty lease for whoever asks; without one the connection just ends. */
static int handle_spare(sd_event_source *source, int fd, uint32_t revents, void *data) {
	const struct service *service = data;
	AUTO_CLOSE int client = socket_accept(fd);
	char byte = 0;
	struct iovec part = {.iov_base = &byte, .iov_len = sizeof(byte)};
	if (client >= 0 && service->spare_fd >= 0) {
		socket_send(client, &part, 1, service->spare_fd);
	}
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
	say("scanoutd has taken %s back (%s)", service->link.id, reason);
	seat_pause(service->seat);
	set_timer(service, REVOKED_USEC, handle_revoked_timer);
}

/* The seatd protocol carries no version, and a pause that suits one libseat kills the other. */
static void handle_resized(void *data) {
	struct service *service = data;
	if (!service->seatd->active) {
		(void)seat_blink(service->seat);
	}
}

static const struct link_events link_events = {
	.revoked = handle_revoked,
	.resized = handle_resized,
};

/* Who connects while this ends is kept by the socket for the next start. */
static int handle_idle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct service *service = data;
	bool is_idle = LIST_EMPTY(&service->seat->clients);
	if (is_idle && service->was_idle) {
		return sd_event_exit(service->event, 0);
	}
	service->was_idle = is_idle;
	set_timer(service, service->idle_usec / 2, handle_idle_timer);
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

/* Takes fd over. */
static int serve_socket(struct service *service, int fd) {
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool listens = sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0;
	int r;

	read_name(fd, name, sizeof(name));
	if (!listens) {
		service->idle_usec = SECOND; /* one connection, and nothing after it */
	}
	if (strcmp(name, PLACE_LOGIN1) == 0) {
		r = listens ? bus_listen(service->login1->bus, fd)
			    : bus_adopt(service->login1->bus, fd);
	} else if (strcmp(name, PLACE_SEATD) == 0) {
		r = listens ? seatd_listen(service->seatd, fd) : seatd_adopt(service->seatd, fd);
	} else if (strcmp(name, PLACE_SPARE) == 0 && listens) {
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

static int service_open(struct service *service) {
	int r = place_init(&service->place, PLACE_ROOT, service->id);
	if (r < 0) {
		say("'%s' is not the id of a scanout; try: scanoutctl list", service->id);
		return r;
	}
	r = place_read(&service->place, service->id);
	if (r < 0) {
		say("There is no card '%s' for %s; try: scanoutctl cdi", service->place.card,
			service->id);
		return r;
	}
	struct seat_options options = {
		.session = service->place.session,
		.name = PLACE_SEAT,
		.card = service->place.card,
		.devnum = service->place.devnum,
	};
	if ((r = sd_event_set_watchdog(service->event, 1)) < 0 ||
		(r = link_init(&service->link, service->event, &link_events, service)) < 0 ||
		(r = seat_create(&service->seat, service->event, &options, &lender, service)) < 0 ||
		(r = login1_create(&service->login1, service->event, service->seat)) < 0 ||
		(r = seatd_create(
			 &service->seatd, service->event, service->seat, SEATD_DIALECT_0_9)) < 0) {
		return r;
	}
	return serve_sockets(service);
}

static void service_close(struct service *service) {
	seatd_destroy(service->seatd);
	login1_destroy(service->login1);
	seat_destroy(service->seat);
	if (service->link.event) {
		link_finish(&service->link);
	}
	sd_event_source_disable_unref(service->spare);
	sd_event_source_disable_unref(service->timer);
	sd_event_unref(service->event);
	cleanup_close(&service->spare_fd);
}

static int service_run(struct service *service) {
	static const int signals[] = {SIGTERM, SIGINT};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return -errno;
	}
	int r = sd_event_new(&service->event);
	for (size_t i = 0; r >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		r = sd_event_add_signal(service->event, NULL, signals[i], NULL, NULL);
	}
	if (r < 0 || (r = service_open(service)) < 0) {
		return r;
	}
	set_timer(service, service->idle_usec / 2, handle_idle_timer);
	return sd_event_loop(service->event);
}

int main(int argc, char *argv[]) {
	if (argc != 2 || argv[1][0] == '-') {
		bool asks = argc == 2 && strcmp(argv[1], "--help") == 0;
		bool version = argc == 2 && strcmp(argv[1], "--version") == 0;
		if (version) {
			printf("scanout-seat %s\n", SCANOUTD_VERSION);
			return EXIT_SUCCESS;
		}
		fprintf(asks ? stdout : stderr,
			"Usage: scanout-seat ID|" PLACE_ANY "\n\n"
			"Serves the seat of a scanout on the sockets that systemd passes.\n"
			"More: man scanout-seat\n");
		return asks ? EXIT_SUCCESS : 64;
	}

	struct service service = {.id = argv[1], .idle_usec = IDLE_USEC, .spare_fd = -1};
	int r = service_run(&service);
	service_close(&service);
	if (r < 0) {
		say("Cannot serve the seat of %s: %s", argv[1], strerror(-r));
	}
	return r < 0 ? EXIT_FAILURE : r;
}
