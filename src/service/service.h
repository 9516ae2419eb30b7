/* One seat: of one scanout, or for one container on any free scanout. */
#ifndef SCANOUT_SERVICE_SERVICE_H
#define SCANOUT_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/spare.h"
#include "door/hatch.h"
#include "lib/scanout_client.h"
#include "seat/login1.h"
#include "seat/seat_dir.h"
#include "seat/seatd.h"

struct service_options {
	const char *id;     // of the scanout, or SEAT_DIR_ANY and a card
	const char *seats;  // directory of the seats
	const char *label;  // of requests, by which a container gets its scanout back; or NULL
	uint64_t idle_usec; // time without a client before it exits
	int instance_fd;    // for a hatch; -1: systemd passes sockets
};

struct service {
	const struct service_options *options;
	struct seat_dir dir;
	sd_event *event; // borrowed
	struct scanout_client client;
	struct seat *seat;
	struct login1 *login1;
	struct seatd *seatd;
	sd_event_source *spare;             // listener; may be NULL
	struct hatch hatch;                 // of an instance; else without a source
	int spare_fd;                       // of the current lease; -1: none
	struct spare_message spare_message; // sent with spare_fd
	sd_event_source *timer;
	bool was_idle; // there was no client at the previous check
};

/* Serves the sockets it gets. Prints errors. The caller calls service_close() in any case. */
int service_open(struct service *service, sd_event *event, const struct service_options *options);
void service_close(struct service *service);

#endif
