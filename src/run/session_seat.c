#include "run/session_seat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/socket.h"
#include "run/kin.h"
#include "run/libseat.h"

/* Of the container, if it has one. */
#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"

/* The first client gets the lease that keeps the place, later ones a fresh one. */
static int take_lease(void *data, int client_fd) {
	struct session *session = data;
	if (session->grant.fd < 0) {
		int r = session_request(session, false, false);
		if (r < 0) {
			return r;
		}
	}
	if (makedev(session->grant.major, session->grant.minor) != session->seat->devnum) {
		scanout_grant_finish(&session->grant);
		scanout_client_release(session->client);
		return -ENODEV;
	}
	return TAKE_FD(session->grant.fd);
}

static void drop_lease(void *data) {
	struct session *session = data;
	scanout_client_release(session->client);
}

static void log_line(void *data, int priority, const char *text) {
	say("%s", text);
}

static bool admits(void *data, int client_fd) {
	struct session *session = data;
	bool is_kin = kin_connected(client_fd);
	session->was_met |= is_kin;
	return is_kin;
}

static const struct seat_lender lender = {
	.admits = admits,
	.take_lease = take_lease,
	.drop_lease = drop_lease,
	.log = log_line,
};

static int listen_at(const struct tempdir *dir, const char *name) {
	AUTO_FREE char *path = tempdir_join(dir, name);
	return path ? socket_listen(path, 0666) : -ENOMEM;
}

static int serve_login1(struct session *session, sd_event *event) {
	AUTO_CLOSE int fd = listen_at(&session->tempdir, "bus");
	int r = fd;
	if (r < 0 || (r = login1_create(&session->login1, event, session->seat)) < 0) {
		return r;
	}
	const char *upstream = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	session->login1->bus->upstream = upstream ? upstream : SYSTEM_BUS;
	if ((r = bus_listen(session->login1->bus, fd)) < 0) {
		return r;
	}
	fd = -1;
	return 0;
}

static int serve_seatd(struct session *session, sd_event *event) {
	enum seatd_dialect dialect = session->options->dialect;
	if (dialect == SEATD_DIALECT_UNKNOWN) {
		dialect = libseat_probe(&session->tempdir);
	}
	AUTO_CLOSE int fd = listen_at(&session->tempdir, "seatd");
	int r = fd;
	if (r < 0 || (r = seatd_create(&session->seatd, event, session->seat, dialect)) < 0 ||
		(r = seatd_listen(session->seatd, fd)) < 0) {
		return r;
	}
	fd = -1;
	return 0;
}

int session_seat_open(struct session *session, const char *id) {
	sd_event *event = session->event;
	const struct scanout_grant *grant = &session->grant;
	struct seat_options options = {
		.session = id,
		.name = SESSION_SEAT_NAME,
		.card = grant->device,
		.devnum = makedev(grant->major, grant->minor),
		.inputs = session->options->inputs,
	};
	int r = seat_create(&session->seat, event, &options, &lender, session);
	if (r >= 0 && (session->seats & SEAT_LOGIND)) {
		r = serve_login1(session, event);
	}
	if (r >= 0 && (session->seats & SEAT_SEATD)) {
		r = serve_seatd(session, event);
	}
	if (r < 0) {
		say("Cannot provide a seat: %s", strerror(-r));
	}
	return r;
}
