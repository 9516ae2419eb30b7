/* The guest socket: who connects gets a connection of its own, without a bus daemon. */
#ifndef SCANOUTD_GUEST_H
#define SCANOUTD_GUEST_H

#include <systemd/sd-event.h>

struct bus;
struct guest;
struct passed;

/*
 * Listens on the sockets that systemd passed with the name "guest" (scanoutd.socket), and on
 * `path`, if it is not NULL; a directory of its own is made for that.
 * Returns 0, with NULL if there is nothing to listen on, or a negative errno (logged).
 */
int guest_listen(sd_event *event, struct bus *bus, struct passed *passed, const char *path,
	struct guest **ret);

/* NULL is fine. */
void guest_destroy(struct guest *guest);

#endif
