#include "daemon/core/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/grant.h"
#include "daemon/core/manager.h"
#include "daemon/core/reaper.h"
#include "daemon/core/terminate.h"
#include "daemon/drain/drain.h"
#include "daemon/drain/linger.h"
#include "daemon/model/policy.h"

/* A refusal that time alone may change, if the caller has some. */
static bool has_to_wait(const struct manager *manager, enum grant_outcome outcome,
	const struct refusal *refusal, bool patient) {
	return outcome == GRANT_WAIT ||
	       (outcome == GRANT_REFUSED && patient &&
		       (refusal->code == REFUSAL_NO_FREE || refusal->code == REFUSAL_BUSY ||
			       manager->host.paused));
}

static void answer(struct manager *manager, grant_fn reply, void *data, enum grant_outcome outcome,
	struct grant *grant, const struct refusal *refusal) {
	if (outcome == GRANT_DONE) {
		reply(data, grant, NULL);
		grant_announce(manager, grant->lease);
	} else {
		reply(data, NULL, refusal);
	}
}

/* What the request waits for now, which may be another one than before. */
static void claim(struct waiter *waiter, struct scanout *scanout) {
	struct scanout *before = waiter->claim.scanout;
	if (before && before != scanout) {
		drain_abandon(before);
	}
	if (scanout) {
		drain_claim(scanout, &waiter->claim);
	}
}

struct waiter *request_scanout(struct manager *manager, const struct wish *wish,
	const struct identity *identity, grant_fn reply, void *data) {
	struct refusal refusal;
	struct grant grant;

	grant_reconcile(manager);
	enum grant_outcome outcome = grant_lease(manager, wish, identity, NULL, &grant, &refusal);
	if (has_to_wait(manager, outcome, &refusal, wish->timeout_usec > 0)) {
		struct waiter *waiter =
			queue_add(&manager->queue, wish, identity, reply, data, &refusal);
		if (waiter) {
			claim(waiter, grant.scanout);
			return waiter;
		}
		outcome = GRANT_REFUSED;
	}
	answer(manager, reply, data, outcome, &grant, &refusal);
	return NULL;
}

void request_cancel(struct manager *manager, struct waiter *waiter) {
	queue_remove(&manager->queue, waiter);
}

/* In the order in which they came. */
static void serve(void *data) {
	struct manager *manager = data;
	struct waiter *waiter, *next;
	bool granted = false;
	grant_reconcile(manager);
	for (waiter = TAILQ_FIRST(&manager->queue.waiters); waiter; waiter = next) {
		struct refusal refusal;
		struct grant grant;
		next = TAILQ_NEXT(waiter, link);
		enum grant_outcome outcome = grant_lease(
			manager, &waiter->wish, &waiter->identity, waiter, &grant, &refusal);
		if (has_to_wait(manager, outcome, &refusal, waiter->timer)) {
			claim(waiter, grant.scanout);
			continue;
		}
		grant_fn reply = waiter->reply;
		void *reply_data = waiter->data;
		queue_remove(&manager->queue, waiter);
		answer(manager, reply, reply_data, outcome, &grant, &refusal);
		granted |= outcome == GRANT_DONE;
	}
	if (granted) {
		queue_wake(&manager->queue); // one before may wait for what is leased now
	}
}

int request_init(struct manager *manager) {
	return queue_start(&manager->queue, serve, manager);
}

/* "card0-Virtual-3#17": the scanout, and 17 or, without that, 0. NULL: there is no such one. */
static struct scanout *find_named(
	struct manager *manager, const char *id, uint64_t *ret_generation) {
	char name[64], *end = NULL;
	size_t length = strcspn(id, "#");
	*ret_generation = 0;
	if (id[length] == '#') {
		*ret_generation = strtoull(id + length + 1, &end, 10);
	}
	snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : 0), id);
	return end && (*end != '\0' || *ret_generation == 0) ? NULL
							     : manager_find_scanout(manager, name);
}

/* Ends the lease, after all that is decided on the table. */
static enum refusal_code release_lease(struct manager *manager, const struct identity *identity,
	struct scanout *scanout, uint64_t generation, struct refusal *ret) {
	enum scanout_state state = scanout_state(scanout);
	if (state == SCANOUT_DRAINING || state == SCANOUT_STUCK) {
		return refusal_set(ret, REFUSAL_BUSY,
			"%s is released already and being blanked. There is nothing left to do.",
			scanout->id);
	}
	if (!scanout->lease || (generation && scanout->lease->generation != generation)) {
		return refusal_set(ret, REFUSAL_NO_SUCH,
			"There is no such lease on %s: it has ended already. There is nothing left "
			"to do.",
			scanout->id);
	}
	const struct identity *holder = &scanout->lease->holder;
	if (policy_check_release(&manager->config, identity, holder, ret) != REFUSAL_NONE) {
		return ret->code;
	}
	int r = lease_terminate(manager, scanout->lease,
		identity_acts_for(identity, holder) ? LEASE_RELEASED : LEASE_REVOKED);
	if (r < 0) {
		return refusal_set(ret, REFUSAL_DEVICE_BUSY,
			"The kernel does not revoke the lease on %s: %s. Close its fd, or ask again.",
			scanout->id, strerror(-r));
	}
	return REFUSAL_NONE;
}

enum refusal_code request_release(struct manager *manager, const struct identity *identity,
	const char *id, struct refusal *ret) {
	uint64_t generation;
	struct scanout *scanout = find_named(manager, id, &generation);
	if (!scanout) {
		return refusal_set(ret, REFUSAL_NO_SUCH,
			"There is no scanout '%.80s'. 'scanoutctl list' shows the ids.", id);
	}
	if (manager->host.paused) {
		return refusal_set(ret, REFUSAL_DEVICE_BUSY,
			"The seat is disabled: another session has the card, and only its master "
			"can revoke leases. Close the fd, or ask again when the seat is back.");
	}
	int r = reaper_reconcile(manager, scanout->card);
	if (r < 0) {
		return refusal_set(ret, REFUSAL_DEVICE_BUSY,
			"%s does not tell its lessees: %s. Nothing is revoked before it does.",
			scanout->card->device, strerror(-r));
	}
	if (!linger_is_on(scanout) || (generation && scanout->generation != generation)) {
		return release_lease(manager, identity, scanout, generation, ret);
	}
	if (policy_check_release(&manager->config, identity, &scanout->last_holder, ret) ==
		REFUSAL_NONE) {
		drain_cut(scanout);
		return REFUSAL_NONE;
	}
	return ret->code;
}

void request_release_all(struct manager *manager) {
	struct card *card;
	struct scanout *scanout;
	TAILQ_FOREACH (card, &manager->cards, link) {
		reaper_reconcile(manager, card);
		fdstore_forget(card->store_name);
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			drain_cut(scanout);
		}
	}
	struct lease *lease, *next;
	for (lease = TAILQ_FIRST(&manager->leases.leases); lease; lease = next) {
		next = TAILQ_NEXT(lease, link);
		lease_terminate(manager, lease, LEASE_REVOKED);
	}
}

static void reconfigure_scanout(const struct config *config, struct scanout *scanout) {
	enum scanout_state state = scanout_state(scanout);
	scanout->excluded = policy_is_excluded(config, scanout->id);
	bool idle = state == SCANOUT_FREE || state == SCANOUT_ABSENT;
	if (scanout->excluded ? idle : state == SCANOUT_EXCLUDED && scanout->objects.crtc == 0) {
		drain_settle(scanout);
	} else if (!scanout->excluded && state == SCANOUT_EXCLUDED) {
		drain_blank(scanout); // somebody else's picture may be on it
	}
}

void request_reconfigure(struct manager *manager, struct config *config) {
	struct card *card;
	struct scanout *scanout;

	config_finish(&manager->config);
	manager->config = *config;
	*config = (struct config){0};
	MANAGER_FOREACH_SCANOUT (manager, card, scanout) {
		reconfigure_scanout(&manager->config, scanout);
	}
	queue_wake(&manager->queue);
}
