/* The seat manager's part: opens cards through libseat where one runs. */
#ifndef SCANOUTD_SEAT_H
#define SCANOUTD_SEAT_H

#include <stdbool.h>
#include <systemd/sd-event.h>

/* Whom to ask for the card: Seat= of scanoutd.conf. */
enum seat_mode {
	SEAT_AUTO,
	SEAT_LIBSEAT,
	SEAT_NONE,
};

struct seat;

/*
 * Opens the seat as Seat= says. `changed` hears when the session is disabled (another session
 * has the card) and enabled again.
 * Returns 0 with a seat; 0 with NULL if none is to be used (Seat=none, or auto without a seat
 * manager); a negative errno if Seat=libseat and there is none.
 */
int seat_open(sd_event *event, enum seat_mode mode, void (*changed)(void *data, bool enabled),
	void *data, struct seat **ret);

/* Opens a card as DRM master. Returns a fd that the caller owns, or a negative errno. */
int seat_open_device(struct seat *seat, const char *device);

/* NULL is fine. */
void seat_close(struct seat *seat);

#endif
