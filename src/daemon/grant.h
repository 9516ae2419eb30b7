/* The one path on which a lease begins: from the wish to the fd. */
#ifndef SCANOUTD_GRANT_H
#define SCANOUTD_GRANT_H

#include <stdbool.h>

#include "identity.h"
#include "queue.h"
#include "refusal.h"

struct manager;

/*
 * Reconciles with the kernel, asks the policy, chooses a scanout and its objects, creates the
 * lease and enters it. `queued`: the wish waits in the queue, where it counts towards the quota.
 * On a refusal `ret_drains` says that a scanout which suits is being blanked, so that the answer
 * will be another within the blanking's deadline.
 */
enum refusal_code grant_lease(struct manager *manager, const struct wish *wish,
	const struct identity *identity, bool queued, struct grant *ret, bool *ret_drains,
	struct refusal *refusal);

struct lease;

/* Tells the journal and the observer; after the reply, so that no caller waits for that. */
void grant_announce(struct manager *manager, struct lease *lease);

#endif
