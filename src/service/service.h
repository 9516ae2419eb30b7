/* One seat: of a scanout, or of one container that has whichever is free. */
#ifndef SCANOUT_SERVICE_SERVICE_H
#define SCANOUT_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"
#include "seat/login1.h"
#include "seat/place.h"
#include "seat/seatd.h"

struct service_options {
	const char *id;     // of the scanout, or PLACE_ANY and a card
	const char *seats;  // folder of the seats
	const char *label;  // of the requests, by which a container finds its last scanout; or NULL
	uint64_t idle_usec; // how long to be there for the next client
	int tenant_fd;      // of tenants.h: connections come over it; -1: systemd passes sockets
};

struct service {
	const struct service_options *options;
	struct place place;
	sd_event *event; // borrowed
	struct link link;
	struct seat *seat;
	struct login1 *login1;
	struct seatd *seatd;
	sd_event_source *spare;  // listener; may be NULL
	sd_event_source *tenant; // owns tenant_fd; NULL: no more connections come
	int spare_fd;            // of the lease that is held; -1: none
	sd_event_source *timer;
	bool was_idle;       // when looked at last
	uint32_t n_received; // connections over tenant_fd
};

/* Serves on what is passed. Tells what goes wrong; service_close() is due in any case. */
int service_open(struct service *service, sd_event *event, const struct service_options *options);
void service_close(struct service *service);

#endif
