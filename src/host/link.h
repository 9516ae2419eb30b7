/*
 * The link to a VM, by the socket that QEMU has for its port: who has which scanout there, as
 * scanout-link tells it. Connects again by itself. QEMU serves one connection at a time; others
 * wait in line.
 */
#ifndef SCANOUT_HOST_LINK_H
#define SCANOUT_HOST_LINK_H

#include <systemd/sd-event.h>

#include "common/say.h"
#include "host/tenants.h"
#include "wire/lines.h"
#include "wire/outbox.h"

struct link;

/* Called from the event loop. */
struct link_handlers {
	/* All tenants are known; and again after each change. */
	void (*ready)(void *data, struct link *link);
	/*
	 * It cannot be used, or not any more, but will be when it can: its tenants are forgotten.
	 * `name` is that of an error, `message` says what to do.
	 */
	void (*lost)(void *data, struct link *link, const char *name, const char *message);
};

struct link {
	const char *path; // borrowed: of the socket
	struct tenants tenants;
	bool has_daemon; // scanoutd runs; if not, the tenants are those of when it did
	bool is_ready;   // set once all tenants were told; cleared as the link is lost

	struct tenants coming; // those told since a hello, while not all are
	bool is_greeted;       // set by a hello in our words; what comes before one means nothing
	bool is_complete;      // set as all are told; cleared by the next hello
	sd_event *event;       // borrowed
	const struct link_handlers *handlers;
	void *data;
	int fd;                   // -1: not connected
	sd_event_source *io;      // of fd
	sd_event_source *again;   // the next attempt
	sd_event_source *silence; // the end of patience with a VM that says nothing
	unsigned n_failed;        // attempts in a row
	struct lines lines;
	struct outbox outbox;
	struct seldom refused;
};

/* Begins to connect. The handlers are called later, never from here. */
int link_init(struct link *link, sd_event *event, const char *path,
	const struct link_handlers *handlers, void *data);
/* Also from a handler. Nothing happens to one that was never begun, or that is finished. */
void link_finish(struct link *link);

#endif
