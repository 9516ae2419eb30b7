/*
 * The seats of a card's free scanouts: a process for each container that connects, which has all of
 * its connections, since a request for a scanout may wait. What happens in one does not hold up the
 * others.
 */
#ifndef SCANOUT_SERVICE_TENANTS_H
#define SCANOUT_SERVICE_TENANTS_H

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "common/container.h"
#include "service.h"

#define TENANTS_MAX_SOCKETS 8

struct tenant {
	struct tenants *tenants;
	struct container container;
	uid_t uid;               // outside a container
	sd_event_source *source; // owns the socket to its process
	uint32_t n_sent;         // connections that it was given
	LIST_ENTRY(tenant) link; // tenants.list
};

LIST_HEAD(tenant_list, tenant);

struct tenants {
	const struct service_options *options;
	sd_event *event; // borrowed
	sd_event_source *listeners[TENANTS_MAX_SOCKETS];
	unsigned n_listeners;
	sd_event_source *timer;  // runs while there are none
	struct tenant_list list; // tenant.link
	unsigned n;
};

/* Serves the sockets that systemd passes. tenants_close() is due in any case. */
int tenants_open(struct tenants *tenants, sd_event *event, const struct service_options *options);
/* Their processes end, too. */
void tenants_close(struct tenants *tenants);

#endif
