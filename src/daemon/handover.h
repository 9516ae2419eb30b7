/*
 * The running daemon's side of `scanoutd --replace`: whoever connects to the control socket gets
 * its cards, its table of leases and its sockets. successor.h is the other side.
 *
 * Connecting is asking. The answer is HANDOVER_REFUSED and why, or HANDOVER_OFFER with names and
 * files. From the offer on nothing begins or ends here, while the other prepares the cards. When
 * it is ready, it says HANDOVER_DONE, and this daemon ends without touching a card. If it ends
 * before it has said that, this one goes on as if nothing had been: it has all that it had. Only
 * its end counts, not its silence, since two daemons must never work on one card: one that takes
 * too long is killed.
 */
#ifndef SCANOUTD_HANDOVER_H
#define SCANOUTD_HANDOVER_H

#include <systemd/sd-event.h>

struct guest;
struct handover;
struct manager;
struct monitor;
struct passed;

#define HANDOVER_SOCKET "control" // in the runtime directory
#define HANDOVER_OFFER "offer 1"  // the number changes with the format
#define HANDOVER_REFUSED "refused"
#define HANDOVER_DONE "done"
/* What the files are; cards have their names in the store, as systemd passes them. */
#define HANDOVER_CONTROL "control"
#define HANDOVER_TABLE "leases"

/* What is handed over, or rests meanwhile. Borrowed. */
struct handover_parts {
	sd_event *event;
	struct manager *manager;
	struct monitor *monitor;
	struct guest *guest; // may be NULL
};

/*
 * Listens on `directory`/control, or on the socket that the last daemon handed over in `passed`.
 * `replaced` is called when another daemon has it all. Returns 0 or a negative errno (logged).
 */
int handover_listen(const struct handover_parts *parts, struct passed *passed,
	const char *directory, void (*replaced)(void *data), void *data, struct handover **ret);

/* Removes the socket, unless it was handed over. NULL is fine. */
void handover_destroy(struct handover *handover);

#endif
