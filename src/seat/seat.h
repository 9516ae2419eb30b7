/*
 * A seat over one leased card: which client may open which device, whatever protocol it speaks.
 * Nothing in this folder knows where leases come from; the owner of the seat lends them.
 */
#ifndef SCANOUT_SEAT_SEAT_H
#define SCANOUT_SEAT_SEAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct seat;
struct seat_client;

/* What the owner of the seat provides. Called from the event loop only. */
struct seat_lender {
	/* Takes a fresh lease: a descriptor that the seat hands on and closes, or negative errno.
	 * For whoever connected this socket. */
	int (*take_lease)(void *data, int client_fd);
	/* The client that got the lease has let it go, or is dead. Once per lease taken. */
	void (*drop_lease)(void *data);
	/* A syslog priority and a sentence. May be NULL. */
	void (*log)(void *data, int priority, const char *text);
};

struct seat_options {
	const char *session; // [A-Za-z][A-Za-z0-9]*, as sd-login(3) wants it
	const char *name;    // usually seat0
	const char *card;    // the leased node's path as the clients see it
	dev_t devnum;        // and its number
	const char *const
		*inputs; // globs of evdev nodes that clients may open, NULL-ended; or NULL
};

/* How a protocol tells its client that the seat pauses and resumes. */
struct seat_client_impl {
	void (*pause)(struct seat_client *client);
	void (*resume)(struct seat_client *client);
};

/* Embedded in whatever a protocol keeps per client. */
struct seat_client {
	struct seat *seat;
	const struct seat_client_impl *impl;
	int fd;                       // borrowed: the connection, which tells who it is
	LIST_ENTRY(seat_client) link; // seat.clients
};

LIST_HEAD(seat_clients, seat_client);

struct seat {
	char *session;
	char *name;
	char *card;
	dev_t devnum;
	char **inputs; // NULL-ended
	const struct seat_lender *lender;
	void *lender_data;
	bool active;
	struct seat_client *holder;  // who has the lease; may be NULL
	struct seat_clients clients; // seat_client.link
	uint64_t refusals_since;     // CLOCK_MONOTONIC
	unsigned n_refusals;         // logged since then
	sd_event *event;
	sd_event_source *blink; // may be NULL
};

/* Copies the options. The lender and its data must outlive the seat. */
int seat_create(struct seat **ret, sd_event *event, const struct seat_options *options,
	const struct seat_lender *lender, void *data);
/* All clients must be finished. Accepts NULL. */
void seat_destroy(struct seat *seat);

/* Tells every client that the seat is no longer, or again, its own. Idempotent. */
void seat_pause(struct seat *seat);
void seat_resume(struct seat *seat);
/*
 * Pauses, and resumes a moment later: compositors look at their outputs again when they resume,
 * which is how a new size reaches a container that gets no uevents.
 */
int seat_blink(struct seat *seat);

void seat_client_init(
	struct seat_client *client, struct seat *seat, const struct seat_client_impl *impl, int fd);
/* The client is gone: drops its lease if it had one. */
void seat_client_finish(struct seat_client *client);

/*
 * Opens a device for a client and returns a descriptor the caller closes. The leased card gives a
 * lease taken now: -EBUSY while a client has it. Anything but the card and the allowed inputs is
 * refused: -EACCES for an input, -ENOENT for the rest.
 */
int seat_open_path(struct seat_client *client, const char *path);
int seat_open_devnum(struct seat_client *client, unsigned major, unsigned minor);
/* The client lets the card go. Nothing happens if it did not have it. */
void seat_close_card(struct seat_client *client);
bool seat_client_has_card(const struct seat_client *client);

#endif
