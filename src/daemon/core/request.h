/* What callers and the admin ask for: to have a scanout, to wait for one, to give it back. */
#ifndef SCANOUTD_REQUEST_H
#define SCANOUTD_REQUEST_H

#include "daemon/core/queue.h"
#include "daemon/model/config.h"

struct manager;

/* Serves the manager's queue from now on. Returns 0 or a negative errno. */
int request_init(struct manager *manager);

/*
 * Answers a request: at once, or later if it has to wait; `reply` is called exactly once, except
 * after request_cancel(). Returns the waiter in the second case, else NULL.
 */
struct waiter *request_scanout(struct manager *manager, const struct wish *wish,
	const struct identity *identity, grant_fn reply, void *data);
/* The caller went away: no reply any more. */
void request_cancel(struct manager *manager, struct waiter *waiter);

/*
 * Ends the lease on a scanout for its holder or an admin. `id` is a scanout's id, optionally with
 * "#GENERATION": then nobody else's later lease is touched.
 */
enum refusal_code request_release(struct manager *manager, const struct identity *identity,
	const char *id, struct refusal *ret);
/* Ends all leases, and takes the cards out of the store. */
void request_release_all(struct manager *manager);

/* Takes over a new config: policy and exclusions apply at once, [Card] at the next start. */
void request_reconfigure(struct manager *manager, struct config *config);

#endif
