/*
 * What scanoutd answers to one guest: a connection to the agents' socket that has the guest's
 * rights. When scanoutd restarts, it connects again, and asks again what was not answered.
 */
#ifndef SCANOUT_FRONT_LINK_H
#define SCANOUT_FRONT_LINK_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

struct link_call;

struct link {
	sd_event *event;     // borrowed
	const char *address; // path of the agents' socket; borrowed
	int guest_fd, pidfd; // shown to scanoutd: the guest's connection, and who made it; borrowed
	void (*heard)(void *data, sd_bus_message *signal);
	/* scanoutd has gone, or is back. */
	void (*changed)(void *data, bool is_there);
	/* scanoutd does not let this guest in. */
	void (*refused)(void *data);
	void *data;

	sd_bus *bus;   // NULL: not connected
	bool is_ready; // scanoutd hears calls
	bool was_away; // set when it goes, cleared when it is back
	sd_event_source *retry;
	TAILQ_HEAD(link_calls, link_call)
	calls; // link_call.entry, without an answer, in their order
	unsigned n_calls;
};

/* Connects, with all above `bus` set and `calls` empty. Returns 0 or a negative errno; the caller
 * calls link_close() in any case. */
int link_open(struct link *link);
/* Asks, and answers the call itself, now or later. Returns 0 or a negative errno. */
int link_ask(struct link *link, sd_bus_message *call);
void link_close(struct link *link);

#endif
