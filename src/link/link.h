/* A requester's side of the D-Bus contract: asks scanoutd for a scanout and gives it back. */
#ifndef SCANOUT_LINK_LINK_H
#define SCANOUT_LINK_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "channel.h"
#include "grant.h"

/* What scanoutd tells later. Called from the event loop, never from within link_…(). */
struct link_events {
	/* It has taken the lease back, or lost it. */
	void (*revoked)(void *data, const char *reason);
	/* The host has given the scanout another size, link.width and link.height. */
	void (*resized)(void *data);
	/* Another session has scanoutd's seat, or had it: nobody may show anything meanwhile. */
	void (*paused)(void *data, bool paused);
};

struct link {
	sd_event *event;
	struct channel channel;
	const struct link_events *events;
	void *events_data;
	sd_event_source *notice;
	sd_event_source *checker; // of a lease that scanoutd may have lost; may be NULL
	unsigned n_unknown;       // times that the check found no such scanout
	char *path;               // of the scanout; NULL before the first grant
	char id[64];
	uint64_t generation;    // 0: nothing is held
	char reason[32];        // of an end that was told; "" for none
	uint32_t width, height; // that the scanout prefers; 0: not known
	bool was_resized;
	bool paused, told_paused; // what scanoutd said, and what was passed on
};

int link_init(struct link *link, sd_event *event, const struct link_events *events, void *data);
/* Gives back what is held. */
void link_finish(struct link *link);

/*
 * Asks for a scanout, and for as long as the wish's timeout waits for scanoutd to be there and for
 * the scanout to be free. Tells why it waits and why it fails. -EINTR: a signal that ends
 * programs is pending.
 */
int link_request(struct link *link, const struct wish *wish, struct grant *ret);
/* Gives the scanout back, if it still is the lease that was granted. */
void link_release(struct link *link);

#endif
