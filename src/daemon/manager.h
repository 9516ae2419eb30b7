/*
 * The root object: cards, scanouts, leases and the queue, with the one path on which a lease
 * begins and the one on which it ends. Knows nothing of D-Bus: who wants to hear of changes
 * registers an observer.
 */
#ifndef SCANOUTD_MANAGER_H
#define SCANOUTD_MANAGER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "card.h"
#include "config.h"
#include "lease.h"
#include "queue.h"
#include "refusal.h"
#include "retry.h"
#include "scanout.h"
#include "state.h"

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
	sd_event *event;
	const struct card_ops *ops;
	struct config config;
	TAILQ_HEAD(card_list, card) cards; // card.link
	struct lease_table leases;
	struct queue queue;
	struct seat *seat;  // borrowed; NULL: cards are opened directly
	bool paused;        // the seat is disabled: the card is somebody else's for now
	bool resting;       // another daemon is about to take over: no lease begins or ends
	unsigned preparing; // cards that were opened and whose scanouts do not exist yet
	unsigned closing;   // cards that are let go of, and still open: their workers use them
	bool unopened;      // a card could not be opened just then
	struct retry retry; // the monitor's: looks for what failed and is marked so
	uint64_t n_freed;
	struct state state;
	const struct manager_observer *observer; // may be NULL
	void *observer_data;
};

/* Takes over the config. */
void manager_init(struct manager *manager, sd_event *event, const struct card_ops *ops,
	struct config *config);
/* Takes over a new config: policy and exclusions apply at once, [Card] at the next start. */
void manager_reconfigure(struct manager *manager, struct config *config);
/* Refuses who waits, forgets leases, closes cards. */
void manager_finish(struct manager *manager);

/*
 * Answers a request: at once, or later if it has to wait; `reply` is called exactly once, except
 * after manager_cancel(). Returns the waiter in the second case, else NULL.
 */
struct waiter *manager_request(struct manager *manager, const struct wish *wish,
	const struct identity *identity, grant_fn reply, void *data);
/* The caller went away: no reply any more. */
void manager_cancel(struct manager *manager, struct waiter *waiter);

/*
 * Ends the lease on a scanout for its holder or an admin. `id` is a scanout's id, optionally with
 * "#GENERATION": then nobody else's later lease is touched.
 */
enum refusal_code manager_release(struct manager *manager, const struct identity *identity,
	const char *id, struct refusal *ret);

/*
 * The one end path: revokes what the kernel still has, blanks, frees the scanout, tells. Returns
 * 0, or a negative errno if the kernel does not revoke: then the lease goes on.
 */
int manager_end_lease(struct manager *manager, struct lease *lease, enum lease_end_reason reason);

/* Ends all leases, and takes the cards out of the store. */
void manager_release_all(struct manager *manager);
/* Whether some scanout is still being blanked. */
bool manager_is_draining(const struct manager *manager);

/* Enters a lease that the kernel kept over a restart of the daemon; takes over `lease` and the fds.
 */
void manager_adopt_lease(struct manager *manager, struct scanout *scanout,
	struct state_lease *found, struct lease *lease);
/* The same for a picture that lingered, and goes on to. */
void manager_adopt_picture(
	struct manager *manager, struct scanout *scanout, struct state_lease *found);

/* Gives what is free to those who wait. */
void manager_serve_queue(struct manager *manager);

void manager_set_state(struct manager *manager, struct scanout *scanout, enum scanout_state state,
	const char *reason);

/* Gives a scanout that nobody has the state that is due: free, absent or excluded. */
void manager_settle(struct manager *manager, struct scanout *scanout);

struct scanout *manager_find_scanout(struct manager *manager, const char *id);
struct card *manager_find_card(struct manager *manager, const char *device);
/* How many scanouts there are, and how many of them are free. */
void manager_count(const struct manager *manager, unsigned *ret_total, unsigned *ret_free);

#endif
