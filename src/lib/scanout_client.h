/* The client's side of the D-Bus contract: requests a scanout from scanoutd and releases it. */
#ifndef SCANOUT_LIB_SCANOUT_CLIENT_H
#define SCANOUT_LIB_SCANOUT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "lib/connection.h"
#include "lib/request_call.h"

/* Notifications of scanoutd. Called from the event loop, never within scanout_client_…(). */
struct scanout_client_events {
	/* scanoutd has ended the lease, for an admin or another process of the holder, or lost it.
	 */
	void (*revoked)(void *data, const char *reason);
	/* The host has changed the size of the scanout to client.width and client.height. */
	void (*resized)(void *data);
	/* Another session has got scanoutd's seat, or no longer has it. While it has the seat, no
	 * lessee can show anything. */
	void (*paused)(void *data, bool paused);
};

struct scanout_client {
	sd_event *event;
	struct connection connection;
	const struct scanout_client_events *events;
	void *events_data;
	sd_event_source *notice;
	sd_event_source *checker; // checks after a restart whether the lease exists; may be NULL
	unsigned n_unknown;       // checks that found no such scanout
	char *path;               // of the scanout; NULL before the first grant
	char id[64];
	uint64_t generation;      // 0: there is no lease
	char reason[32];          // of an end that was signalled; "" for none
	uint32_t width, height;   // that the scanout prefers; 0: unknown
	bool was_resized;         // set by a signal; cleared when resized() has been called
	bool paused, told_paused; // as signalled, and as last passed to paused()
};

int scanout_client_init(struct scanout_client *client, sd_event *event,
	const struct scanout_client_events *events, void *data);
/* Releases the lease. */
void scanout_client_finish(struct scanout_client *client);

/*
 * Requests a scanout. Within the request's timeout it waits for scanoutd to start and for the
 * scanout to be free. Prints why it waits and why it fails. -EINTR: a signal to exit is pending.
 * -EBUSY: no scanout is free now, but one may become free.
 */
int scanout_client_request(struct scanout_client *client, const struct scanout_request *request,
	struct scanout_grant *ret);
/* Releases the scanout, if the lease is still the one that was granted. */
void scanout_client_release(struct scanout_client *client);

#endif
