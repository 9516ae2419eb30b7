/* The one path on which a lease begins: from the wish to the fd. */
#ifndef SCANOUTD_GRANT_H
#define SCANOUTD_GRANT_H

#include <stdbool.h>

#include "daemon/core/queue.h"
#include "daemon/model/identity.h"
#include "daemon/model/refusal.h"

struct manager;

/*
 * Compares the table with the kernel's list of each card, before anything is decided on the table.
 * Once for all requests that are tried in a row. A card that does not tell is left out, so that it
 * does not stop the others.
 */
void grant_reconcile(struct manager *manager);

enum grant_outcome {
	GRANT_DONE,
	GRANT_WAIT, // a scanout that suits is about to be free: wait for it, even without a timeout
	GRANT_REFUSED,
};

/*
 * Asks the policy, chooses a scanout and its objects, creates the lease and enters it. `waiter` is
 * the place in the queue of one that waits already, where it counts towards the quota; else NULL.
 * If it has to wait, `ret->scanout` is the one that it shall claim, or NULL.
 */
enum grant_outcome grant_lease(struct manager *manager, const struct wish *wish,
	const struct identity *identity, const struct waiter *waiter, struct grant *ret,
	struct refusal *refusal);

struct lease;

/* Tells the journal and the observer; after the reply, so that no caller waits for that. */
void grant_announce(struct manager *manager, struct lease *lease);

#endif
