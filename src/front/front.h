/* All connections of one container: what a process of scanout-front serves. */
#ifndef SCANOUT_FRONT_FRONT_H
#define SCANOUT_FRONT_FRONT_H

#include "common/say.h"
#include "door/hatch.h"
#include "front/guest.h"

LIST_HEAD(guest_list, guest);

struct front {
	sd_event *event; // borrowed
	const char *address;
	struct hatch hatch;
	struct server server;
	struct guest_list guests; // guest.entry
	unsigned n_guests;
	struct seldom refused, thrown_out;
};

/* Serves the connections that come through a hatch on `fd`, which it takes over, and asks the
 * agents' socket at `address`. The caller calls front_close() in any case. */
int front_open(struct front *front, sd_event *event, const char *address, int fd);
/* Until it has no guest and no more will come. Returns the exit status or a negative errno. */
int front_run(struct front *front);
void front_close(struct front *front);

#endif
