/* The connection to the system bus: comes, goes and comes back, and has the name. */
#ifndef SCANOUTD_BUS_H
#define SCANOUTD_BUS_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "daemon/bus/peer.h"

struct bus {
	struct manager *manager;
	struct peer system;
	sd_event_source *reconnect; // after the bus went away
	bool want_name;             // everything is prepared: take the name
	void (*ready)(void *data);  // the name is ours
	void (*failed)(void *data, int error);
	void *data;
};

/*
 * Connects to the system bus, waiting for it if it is not there yet. `ready` is called when the
 * name is taken, `failed` if it cannot be.
 */
int bus_new(struct manager *manager, void (*ready)(void *data),
	void (*failed)(void *data, int error), void *data, struct bus **ret);
/* Takes the name as soon as the bus is there: from then on calls come. */
void bus_take_name(struct bus *bus);
/* Sends what is queued. NULL is fine. */
void bus_destroy(struct bus *bus);

#endif
