/*
 * The D-Bus face: argument checks, replies, signals. No DRM, no rules.
 * bus.c has the connection, bus_manager.c and bus_scanout.c an interface each.
 */
#ifndef SCANOUTD_BUS_H
#define SCANOUTD_BUS_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "manager.h"

struct bus {
	struct manager *manager;
	sd_bus *connection;
	sd_event_source *announcer; // defers PropertiesChanged until the reply is sent
	bool counts_changed;        // of Free or Total
	bool want_name;             // everything is prepared: take the name
	void (*ready)(void *data);  // the name is ours
	void (*failed)(void *data, int error);
	void *data;
	TAILQ_HEAD(call_list, call) calls; // call.link: those that wait for a scanout
};

/* A RequestScanout without an answer yet. */
struct call {
	struct bus *bus;
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
/* Takes the name as soon as the bus is there: from then on calls come. */
void bus_take_name(struct bus *bus);
/* Sends what is queued. NULL is fine. */
void bus_destroy(struct bus *bus);

/* bus_manager.c */
int bus_manager_register(struct bus *bus);
void bus_manager_drop_calls(struct bus *bus);
void bus_manager_emit_leased(struct bus *bus, const struct lease *lease);

/* bus_scanout.c */
int bus_scanout_register(struct bus *bus);
/* The object path; the caller frees it. */
int bus_scanout_path(const struct scanout *scanout, char **ret);
/* Appends a scanout as a{sv}, for ListScanouts. */
int bus_scanout_append(sd_bus_message *message, const struct scanout *scanout);
void bus_scanout_emit_changed(struct bus *bus, const struct scanout *scanout);

#endif
