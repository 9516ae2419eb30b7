/*
 * The D-Bus face: argument checks, replies, signals. No DRM, no rules.
 * bus.c has the system bus, bus_guest.c the guests, bus_manager.c and bus_scanout.c an interface
 * each.
 */
#ifndef SCANOUTD_BUS_H
#define SCANOUTD_BUS_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "manager.h"

/* A connection that speaks the contract: the system bus, or one guest's. */
struct peer {
	struct bus *bus;
	sd_bus *connection;
	bool guest;
	struct identity identity; // of a guest
	sd_event_source *io;      // of a guest
	bool awake;               // a guest that there is something to do for
	TAILQ_ENTRY(peer) link;   // bus::guests
};

struct bus {
	struct manager *manager;
	struct peer system;
	TAILQ_HEAD(peer_list, peer) guests; // peer.link
	unsigned n_guests;
	sd_event_source *guest_post;  // looks at guests after each round, while there are any
	sd_event_source *guest_again; // one more round
	sd_event_source *announcer;   // defers PropertiesChanged until the reply is sent
	sd_event_source *reconnect;   // after the bus went away
	bool counts_changed;          // of Free or Total
	bool want_name;               // everything is prepared: take the name
	bool in_line;                 // we wait for another daemon to give the name up
	void (*queued)(void *data);   // we do; NULL: we never shall
	void (*ready)(void *data);    // the name is ours
	void (*failed)(void *data, int error);
	void *data;
	TAILQ_HEAD(call_list, call) calls; // call.link: those that wait for a scanout
};

/* A RequestScanout without an answer yet. */
struct call {
	struct peer *peer;
	sd_bus_message *message;
	struct waiter *waiter;
	sd_bus_track *track;    // of the caller, while it waits
	TAILQ_ENTRY(call) link; // bus::calls
};

/*
 * Connects to the system bus, waiting for it if it is not there yet, and observes the manager.
 * `ready` is called when the name is taken, `failed` if it cannot be.
 */
int bus_new(struct manager *manager, void (*ready)(void *data),
	void (*failed)(void *data, int error), void *data, struct bus **ret);
/* If another daemon has the name, get in line for it, and call `queued`. */
void bus_queue_for_name(struct bus *bus, void (*queued)(void *data));
/* Takes the name as soon as the bus is there: from then on calls come. */
void bus_take_name(struct bus *bus);
/* Sends what is queued. NULL is fine. */
void bus_destroy(struct bus *bus);

/* Whether this peer may know of the scanout: guests see their own alone. */
bool peer_sees(const struct peer *peer, const struct scanout *scanout);
/* Who sent the message. 0 or a negative errno. */
int peer_identify(const struct peer *peer, sd_bus_message *message, struct identity *ret);
/* Both interfaces and the object manager, on the peer's connection. */
int peer_register(struct peer *peer);

/* bus_guest.c: takes over the fd of an accepted connection, to the socket for guests or to that for
 * agents. Returns 0 or a negative errno. */
int bus_add_guest(struct bus *bus, int fd, bool agent);
void bus_drop_guests(struct bus *bus);

/* bus_driver.c: for guests only. */
int bus_driver_register(struct peer *peer);

/* bus_manager.c */
int bus_manager_register(struct peer *peer);
/* Forgets the calls of this peer that have no answer yet. */
void bus_manager_drop_calls(struct peer *peer);
void bus_manager_emit_paused(struct peer *peer);
void bus_manager_emit_leased(struct peer *peer, const struct lease *lease);

/* bus_scanout.c */
int bus_scanout_register(struct peer *peer);
/* The object path; the caller frees it. */
int bus_scanout_path(const struct scanout *scanout, char **ret);
/* Appends a scanout as a{sv}, for ListScanouts. */
int bus_scanout_append(sd_bus_message *message, const struct scanout *scanout);
/* Appends an entry of an a{sv}: the planes' ids. */
int bus_append_planes(sd_bus_message *message, const char *key, const struct card_objects *objects);
void bus_scanout_emit_changed(struct peer *peer, const struct scanout *scanout);

#endif
