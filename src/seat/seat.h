/*
 * A seat over one leased card: which client may open which device, for all protocols. The files of
 * this folder do not know where leases come from; the owner of the seat lends them.
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

/* What the owner of the seat provides. Called only from the event loop. */
struct seat_lender {
	/* Whether the process that connected this socket may be a client. NULL: every process may.
	 */
	bool (*admits)(void *data, int client_fd);
	/* Requests a new lease for the process that connected this socket. Returns an fd that the
	 * seat passes on and closes, or negative errno. */
	int (*take_lease)(void *data, int client_fd);
	/* The client that got the lease has closed it or exited. Called once for each lease. */
	void (*drop_lease)(void *data);
	/* Logs a sentence with a syslog priority. May be NULL. */
	void (*log)(void *data, int priority, const char *text);
};

struct seat_options {
	const char *session; // [A-Za-z][A-Za-z0-9]*, as sd-login(3) wants it
	const char *name;    // usually seat0
	const char *card;    // path of the leased node, as the clients see it
	dev_t devnum;        // its device number
	const char *const
		*inputs; // globs of evdev nodes that clients may open, NULL-ended; or NULL
};

/* How a protocol notifies its client that the seat pauses and resumes. */
struct seat_client_impl {
	void (*pause)(struct seat_client *client);
	void (*resume)(struct seat_client *client);
};

/* Embedded in the data that a protocol has for each client. */
struct seat_client {
	struct seat *seat;
	const struct seat_client_impl *impl;
	int fd;                       // borrowed: the connection, which identifies the client
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
	struct seat_client *holder;  // the client with the lease; may be NULL
	struct seat_clients clients; // seat_client.link
	uint64_t refusals_since;     // CLOCK_MONOTONIC
	unsigned n_refusals;         // logged since then
	sd_event *event;
	sd_event_source *blink; // resumes the seat; NULL unless it blinks
};

/* Copies the options. The lender and its data must outlive the seat. */
int seat_create(struct seat **ret, sd_event *event, const struct seat_options *options,
	const struct seat_lender *lender, void *data);
/* All clients must be finished. Accepts NULL. */
void seat_destroy(struct seat *seat);

/* Notifies every client that it loses the seat, or has it again. Idempotent. */
void seat_pause(struct seat *seat);
void seat_resume(struct seat *seat);
/*
 * Pauses the seat and resumes it a moment later. Compositors then probe their outputs again; this
 * is how they notice a new size in a container, which gets no uevents.
 */
int seat_blink(struct seat *seat);

/* Whether the process that connected this socket may be a client. Logs a refusal. */
bool seat_admits(struct seat *seat, int client_fd);

void seat_client_init(
	struct seat_client *client, struct seat *seat, const struct seat_client_impl *impl, int fd);
/* Removes a client that has disconnected, and drops its lease if it has one. */
void seat_client_finish(struct seat_client *client);

/*
 * Opens a device for a client and returns an fd, which the caller closes. For the leased card it
 * requests a lease; -EBUSY while a client has one. All devices except the card and the allowed
 * inputs are refused: -EACCES for an input, -ENOENT for others.
 */
int seat_open_path(struct seat_client *client, const char *path);
int seat_open_devnum(struct seat_client *client, unsigned major, unsigned minor);
/* Ends the client's lease, if it has one. */
void seat_close_card(struct seat_client *client);
bool seat_client_has_card(const struct seat_client *client);

#endif
