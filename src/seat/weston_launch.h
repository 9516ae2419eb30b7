/* The weston-launch protocol of weston up to 10, on one end of a socket pair. */
#ifndef SCANOUT_SEAT_WESTON_LAUNCH_H
#define SCANOUT_SEAT_WESTON_LAUNCH_H

#include "seat/seat.h"

struct weston_launch {
	struct seat_client base;
	sd_event_source *source; // owns fd; NULL once the other end is closed
	int fd;
};

/*
 * Makes a socket pair, serves one end and returns the other. The caller passes that to the
 * compositor, with its number in $WESTON_LAUNCHER_SOCK, and closes its own copy.
 */
int weston_launch_create(
	struct weston_launch **ret, sd_event *event, struct seat *seat, int *ret_client_fd);
/* Accepts NULL. */
void weston_launch_destroy(struct weston_launch *launch);

#endif
