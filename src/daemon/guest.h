/* The guest socket: who connects gets a connection of its own, without a bus daemon. */
#ifndef SCANOUTD_GUEST_H
#define SCANOUTD_GUEST_H

#include <stdbool.h>
#include <systemd/sd-event.h>

struct bus;
struct guest;
struct passed;

/*
 * Listens on the sockets that were passed with the name "guest", by systemd (scanoutd.socket) or
 * by the last daemon, and on `path`, if it is not NULL nor one of those; a directory of its own is
 * made for that.
 * Returns 0, with NULL if there is nothing to listen on, or a negative errno (logged).
 */
int guest_listen(sd_event *event, struct bus *bus, struct passed *passed, const char *path,
	struct guest **ret);

/* Who connects waits, or is served again. NULL is fine. */
void guest_pause(struct guest *guest, bool paused);
/* Adds the listening sockets, for the next daemon. NULL is fine. Returns 0 or a negative errno. */
int guest_append(const struct guest *guest, struct passed *passed);
/* The sockets are the next daemon's: guest_destroy() shall leave the path. NULL is fine. */
void guest_leave(struct guest *guest);
/* NULL is fine. */
void guest_destroy(struct guest *guest);

#endif
