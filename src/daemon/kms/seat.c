#include "daemon/kms/seat.h"

#include <errno.h>
#include <fcntl.h>
#include <libseat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/log.h"

struct seat {
	struct libseat *libseat;
	sd_event_source *source;
	void (*changed)(void *data, bool enabled);
	void *data;
	bool enabled;
};

static void handle_enable(struct libseat *libseat, void *data) {
	struct seat *seat = data;
	seat->enabled = true;
	seat->changed(seat->data, true);
}

static void handle_disable(struct libseat *libseat, void *data) {
	struct seat *seat = data;
	seat->enabled = false;
	seat->changed(seat->data, false);
	/* The seat manager waits for this before it gives the card to another session. */
	libseat_disable_seat(libseat);
}

static const struct libseat_seat_listener listener = {
	.enable_seat = handle_enable,
	.disable_seat = handle_disable,
};

__attribute__((format(printf, 2, 0))) static void handle_log(
	enum libseat_log_level level, const char *format, va_list args) {
	char text[512];
	vsnprintf(text, sizeof(text), format, args);
	log_debug("libseat: %s", text);
}

static int handle_readable(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct seat *seat = data;
	if (libseat_dispatch(seat->libseat, 0) < 0) {
		int r = -errno;
		log_error("The seat manager is gone: %m");
		return sd_event_exit(sd_event_source_get_event(source), r);
	}
	return 0;
}

/*
 * The seat manager to ask, or NULL. libseat's own choice ends with a seatd of its own inside this
 * process, which wants a VT and manages no seat that anybody else could share.
 */
static const char *find_backend(void) {
	const char *chosen = getenv("LIBSEAT_BACKEND");
	if (chosen) {
		return chosen;
	}
	const char *socket = getenv("SEATD_SOCK");
	if (access(socket ? socket : "/run/seatd.sock", F_OK) == 0) {
		return "seatd";
	}
	return getenv("XDG_SESSION_ID") ? "logind" : NULL;
}

static int open_libseat(struct seat *seat) {
	const char *backend = find_backend();
	if (!backend) {
		return -ENOENT;
	}
	setenv("LIBSEAT_BACKEND", backend, 1);
	libseat_set_log_handler(handle_log);
	libseat_set_log_level(LIBSEAT_LOG_LEVEL_ERROR);
	errno = 0;
	seat->libseat = libseat_open_seat(&listener, seat);
	if (!seat->libseat) {
		return errno ? -errno : -ENOTCONN;
	}
	return 0;
}

int seat_open(sd_event *event, enum seat_mode mode, void (*changed)(void *data, bool enabled),
	void *data, struct seat **ret) {
	*ret = NULL;
	if (mode == SEAT_NONE) {
		return 0;
	}
	struct seat *seat = calloc(1, sizeof(*seat));
	if (!seat) {
		return -ENOMEM;
	}
	seat->changed = changed;
	seat->data = data;
	int r = open_libseat(seat);
	if (r < 0) {
		free(seat);
		if (mode == SEAT_AUTO) {
			log_debug("No seat manager gives us a seat; opening the cards directly");
			return 0;
		}
		log_error("Seat=libseat, but no seat manager gives us a seat: %s. Start seatd, or "
			  "set Seat=auto in scanoutd.conf",
			strerror(-r));
		return r;
	}
	/* The seat is ours only after the enable event, and libseat may have read it already. */
	while (!seat->enabled) {
		if (libseat_dispatch(seat->libseat, 5000) <= 0 && !seat->enabled) {
			log_error("The seat manager does not enable seat '%s': another session "
				  "is active on it",
				libseat_seat_name(seat->libseat));
			seat_close(seat);
			return -EBUSY;
		}
	}
	r = sd_event_add_io(event, &seat->source, libseat_get_fd(seat->libseat), EPOLLIN,
		handle_readable, seat);
	if (r < 0) {
		seat_close(seat);
		return r;
	}
	log_info("Opening the cards through seat '%s'", libseat_seat_name(seat->libseat));
	*ret = seat;
	return 0;
}

int seat_open_device(struct seat *seat, const char *device) {
	int fd;
	/* The device's id is not kept: it ends with the seat, since we never drop a card. */
	if (libseat_open_device(seat->libseat, device, &fd) < 0) {
		return -errno;
	}
	return fd;
}

void seat_close(struct seat *seat) {
	if (!seat) {
		return;
	}
	sd_event_source_disable_unref(seat->source);
	libseat_close_seat(seat->libseat);
	free(seat);
}
