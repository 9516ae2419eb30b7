/*
 * scanoutd on the system bus: keeps the roster as scanoutd tells it. When scanoutd restarts it is
 * asked anew; it is never started by that.
 */
#ifndef SCANOUT_LINK_BUS_H
#define SCANOUT_LINK_BUS_H

#include <systemd/sd-bus.h>

#include "common/say.h"
#include "link/roster.h"

struct bus {
	sd_event *event;       // borrowed
	struct roster *roster; // borrowed
	/*
	 * The roster is complete, and follows from here on; or, if scanoutd is not there, stays as
	 * it was. Not called before one of the two is known.
	 */
	void (*changed)(void *data, bool is_there);
	void *data;

	sd_bus *bus;            // NULL: to be connected again
	sd_bus_slot *query;     // that waits for its answer
	char *owner;            // who answered, and is listened to; NULL: nobody
	sd_event_source *again; // the next attempt
	struct seldom failed;
};

/* Begins to connect, with all above `bus` set and the rest zero. */
int bus_open(struct bus *bus);
void bus_close(struct bus *bus);

#endif
