/*
 * The root object: cards, scanouts, leases and the queue. Whatever is above it, the bus, registers
 * an observer to hear of changes.
 */
#ifndef SCANOUTD_MANAGER_H
#define SCANOUTD_MANAGER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "daemon/core/queue.h"
#include "daemon/core/state.h"
#include "daemon/model/card.h"
#include "daemon/model/config.h"
#include "daemon/model/lease.h"
#include "daemon/model/refusal.h"
#include "daemon/model/scanout.h"
#include "daemon/util/retry.h"

/* What is told to the world above. `lease` and `scanout` are borrowed. */
struct manager_observer {
	void (*added)(void *data, struct scanout *scanout);
	void (*removed)(void *data, struct scanout *scanout);
	void (*changed)(void *data, struct scanout *scanout);
	void (*leased)(void *data, struct lease *lease);
	/* The seat is disabled, or enabled again. */
	void (*paused)(void *data);
	/* The cards that were opened have their scanouts. */
	void (*prepared)(void *data);
	/* The lease is forgotten already; `holder` is who had it. */
	void (*ended)(void *data, struct scanout *scanout, const struct identity *holder,
		enum lease_end_reason reason);
};

struct seat;

struct manager {
	struct card_host host; // of all cards: event loop, pause, listener
	const struct card_ops *ops;
	struct config config;
	struct card_list cards;
	struct lease_table leases;
	struct queue queue;
	struct seat *seat;  // borrowed; NULL: cards are opened directly
	unsigned preparing; // cards that were opened and whose scanouts do not exist yet
	unsigned closing;   // cards that are let go of, and still open: their workers use them
	bool unopened;      // a card could not be opened just then
	bool host_is_full;  // it has refused memory for a picture
	struct retry retry; // the monitor's: looks for what failed and is marked so
	struct state state;
	sd_event_source *saver;                  // of the state, after the current event
	const struct manager_observer *observer; // may be NULL
	void *observer_data;
};

/* Calls the observer, if there is one: manager_tell(manager, changed, scanout). */
#define manager_tell(manager, what, ...)                                                    \
	do {                                                                                \
		if ((manager)->observer) {                                                  \
			(manager)->observer->what((manager)->observer_data, ##__VA_ARGS__); \
		}                                                                           \
	} while (0)

/* All scanouts of all cards. `break` ends the loop over one card alone: return instead. */
#define MANAGER_FOREACH_SCANOUT(manager, card, scanout)                                  \
	for (card = TAILQ_FIRST(&(manager)->cards); card; card = TAILQ_NEXT(card, link)) \
		for (scanout = TAILQ_FIRST(&(card)->scanouts); scanout;                  \
			scanout = TAILQ_NEXT(scanout, link))

/* Takes over the config. */
void manager_init(struct manager *manager, sd_event *event, const struct card_ops *ops,
	struct config *config);
/* Refuses who waits, forgets leases, closes cards. */
void manager_finish(struct manager *manager);

/* Whether some scanout is still being blanked. */
bool manager_is_draining(const struct manager *manager);

/* Writes leases.json: at once, or once after the current event, for what may be lost with it. */
void manager_save(struct manager *manager);
void manager_save_later(struct manager *manager);

/* Frees a card that is in no list, and whose worker is gone. */
void manager_destroy_card(struct card *card);

struct scanout *manager_find_scanout(struct manager *manager, const char *id);
struct card *manager_find_card(struct manager *manager, const char *device);
/* How many scanouts there are, and how many of them are free. */
void manager_count(const struct manager *manager, unsigned *ret_total, unsigned *ret_free);

#endif
