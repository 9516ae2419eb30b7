/* A card in use, with its worker and its scanouts. */
#ifndef SCANOUTD_CARD_H
#define SCANOUTD_CARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "daemon/kms/kms.h"
#include "daemon/util/fdstore.h"

struct manager;
struct scanout;
struct scanout_listener;
struct worker;

/* What all cards share; the manager's. */
struct card_host {
	sd_event *event;
	bool paused; // the seat is disabled: the cards are somebody else's for now
	uint64_t n_freed;
	const struct scanout_listener *listener;
	void *data; // of the listener
};

/* Calls the listener of its card: scanout_tell(scanout, changed). */
#define scanout_tell(scanout, what) \
	((scanout)->card->host->listener->what((scanout)->card->host->data, (scanout)))

struct card {
	const struct card_ops *ops;
	struct card_host *host;
	char device[64];  // "/dev/dri/card0"
	const char *name; // "card0", inside device
	uint32_t major, minor;
	int fd;
	struct worker *worker;
	struct card_snapshot snapshot;
	char store_name[FDSTORE_NAME_MAX]; // of fd in systemd's store; empty: not kept
	int silent;                        // a negative errno: it does not list its lessees
	int trouble;                       // a negative errno: why the last look failed
	bool stale;                        // … and is to be repeated
	bool preparing;                    // the start waits for it
	bool ready;                        // prepared; its scanouts exist
	bool refreshing;                   // a refresh of the modes is under way
	bool updating;                     // a new snapshot is being taken
	bool outdated;                     // … and something changed meanwhile
	struct manager *manager;           // borrowed, while it is closing; else NULL
	TAILQ_HEAD(scanout_list, scanout) scanouts; // scanout.link, in the snapshot's order
	TAILQ_ENTRY(card) link;                     // manager::cards
};

TAILQ_HEAD(card_list, card); // card.link

/* Takes over `fd` on success only. */
int card_new(const struct card_ops *ops, struct card_host *host, const char *device, int fd,
	struct card **ret);
/* Closes the fd, which ends all leases in the kernel. The worker must be gone, and so must all that
 * its scanouts have. NULL is fine. */
void card_destroy(struct card *card);

/* Gives its open file a name for systemd's store, which no other one ever has. */
void card_name(struct card *card);

/* Makes an empty scanout one for a connector, and takes it over into the card's list. */
void card_add_scanout(
	struct card *card, const struct card_connector *connector, struct scanout *scanout);

/* What the card's scanouts hold, for alloc_pick(). */
struct alloc_taken card_taken(const struct card *card);
/* Chooses what drives the scanout from now on. Returns 0, or a negative errno if nothing is left.
 */
int card_pick_objects(struct scanout *scanout);
/* The connector's place in the snapshot, or -1 if it is gone. */
int card_find_connector(const struct card *card, uint32_t connector);

/* Whether the host has sized the connector. */
bool card_has_size(const struct card *card, uint32_t connector);
/* What size the scanout is to have by the snapshot: one that is leased keeps its own when the host
 * takes that away. */
struct card_mode card_size_scanout(const struct card *card, const struct scanout *scanout);

#endif
