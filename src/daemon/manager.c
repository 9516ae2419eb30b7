#include "manager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "blank.h"
#include "failpoint.h"
#include "grant.h"
#include "linger.h"
#include "log.h"
#include "picture.h"
#include "policy.h"
#include "reaper.h"
#include "worker.h"

/* How long the end of the process waits for a worker that hangs in the kernel. */
#define WORKER_EXIT_USEC 1000000

void manager_init(struct manager *manager, sd_event *event, const struct card_ops *ops,
	struct config *config) {
	*manager = (struct manager){.event = event, .ops = ops, .config = *config};
	*config = (struct config){0};
	TAILQ_INIT(&manager->cards);
	lease_table_init(&manager->leases);
	queue_init(&manager->queue, event);
}

void manager_finish(struct manager *manager) {
	manager->observer = NULL;
	queue_finish(&manager->queue);
	lease_table_finish(&manager->leases);
	for (struct card *card; (card = TAILQ_FIRST(&manager->cards));) {
		TAILQ_REMOVE(&manager->cards, card, link);
		if (worker_destroy(card->worker, WORKER_EXIT_USEC)) {
			card_destroy(card);
		}
	}
	config_finish(&manager->config);
	state_finish(&manager->state);
}

void manager_set_state(struct manager *manager, struct scanout *scanout, enum scanout_state state,
	const char *reason) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	scanout->state = state;
	scanout->since = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	snprintf(scanout->reason, sizeof(scanout->reason), "%s", reason);
	if (manager->observer) {
		manager->observer->changed(manager->observer_data, scanout);
	}
}

static enum scanout_state idle_state(
	const struct manager *manager, const struct scanout *scanout, int connector) {
	if (policy_is_excluded(&manager->config, scanout->id)) {
		return SCANOUT_EXCLUDED;
	}
	return connector >= 0 && scanout->card->snapshot.connectors[connector].connected
		       ? SCANOUT_FREE
		       : SCANOUT_ABSENT;
}

void manager_settle(struct manager *manager, struct scanout *scanout) {
	int i = card_find_connector(scanout->card, scanout->connector);
	enum scanout_state state = idle_state(manager, scanout, i);

	scanout->objects = (struct card_objects){0};
	if (state == SCANOUT_EXCLUDED && i >= 0) {
		/* What drives an excluded output is excluded with it. */
		struct alloc_taken taken = card_taken(scanout->card);
		alloc_pick(&scanout->card->snapshot, &taken, (unsigned)i, &scanout->objects);
	}
	manager_set_state(manager, scanout, state, "");
}

static void reconfigure_scanout(struct manager *manager, struct scanout *scanout) {
	bool excluded = policy_is_excluded(&manager->config, scanout->id);
	bool idle = scanout->state == SCANOUT_FREE || scanout->state == SCANOUT_ABSENT;
	if (excluded ? idle : scanout->state == SCANOUT_EXCLUDED && scanout->objects.crtc == 0) {
		manager_settle(manager, scanout);
	} else if (!excluded && scanout->state == SCANOUT_EXCLUDED) {
		blank_scanout(manager, scanout); // somebody else's picture may be on it
	}
}

void manager_reconfigure(struct manager *manager, struct config *config) {
	struct card *card;
	struct scanout *scanout;

	config_finish(&manager->config);
	manager->config = *config;
	*config = (struct config){0};
	TAILQ_FOREACH (card, &manager->cards, link) {
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			reconfigure_scanout(manager, scanout);
		}
	}
	manager_serve_queue(manager);
}

struct card *manager_find_card(struct manager *manager, const char *device) {
	struct card *card;
	TAILQ_FOREACH (card, &manager->cards, link) {
		if (strcmp(card->device, device) == 0) {
			return card;
		}
	}
	return NULL;
}

struct scanout *manager_find_scanout(struct manager *manager, const char *id) {
	struct card *card;
	struct scanout *scanout;
	TAILQ_FOREACH (card, &manager->cards, link) {
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if (strcmp(scanout->id, id) == 0) {
				return scanout;
			}
		}
	}
	return NULL;
}

void manager_count(const struct manager *manager, unsigned *ret_total, unsigned *ret_free) {
	struct card *card;
	struct scanout *scanout;
	*ret_total = *ret_free = 0;
	TAILQ_FOREACH (card, &manager->cards, link) {
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			*ret_total += 1;
			*ret_free += scanout->state == SCANOUT_FREE;
		}
	}
}

static bool may_wait(const struct manager *manager, const struct refusal *refusal) {
	return refusal->code == REFUSAL_NO_FREE || refusal->code == REFUSAL_BUSY || manager->paused;
}

struct waiter *manager_request(struct manager *manager, const struct wish *wish,
	const struct identity *identity, grant_fn reply, void *data) {
	struct refusal refusal;
	struct grant granted;
	bool drains;

	if (grant_lease(manager, wish, identity, false, &granted, &drains, &refusal) ==
		REFUSAL_NONE) {
		reply(data, &granted, NULL);
		grant_announce(manager, granted.lease);
		return NULL;
	}
	if (drains || (may_wait(manager, &refusal) && wish->timeout_usec > 0)) {
		struct waiter *waiter =
			queue_add(&manager->queue, wish, identity, reply, data, &refusal);
		if (waiter) {
			return waiter;
		}
	}
	reply(data, NULL, &refusal);
	return NULL;
}

void manager_cancel(struct manager *manager, struct waiter *waiter) {
	queue_remove(&manager->queue, waiter);
}

void manager_serve_queue(struct manager *manager) {
	struct waiter *waiter, *next;
	for (waiter = TAILQ_FIRST(&manager->queue.waiters); waiter; waiter = next) {
		struct refusal refusal;
		struct grant granted;
		bool drains;
		next = TAILQ_NEXT(waiter, link);
		enum refusal_code code = grant_lease(manager, &waiter->wish, &waiter->identity,
			true, &granted, &drains, &refusal);
		if (code != REFUSAL_NONE &&
			(drains || (may_wait(manager, &refusal) && waiter->timer))) {
			continue;
		}
		grant_fn reply = waiter->reply;
		void *data = waiter->data;
		queue_remove(&manager->queue, waiter);
		reply(data, code == REFUSAL_NONE ? &granted : NULL, &refusal);
		if (code == REFUSAL_NONE) {
			grant_announce(manager, granted.lease);
		}
	}
}

int manager_end_lease(struct manager *manager, struct lease *lease, enum lease_end_reason reason) {
	struct scanout *scanout = lease->scanout;

	/* Only released and revoked leases are still in the kernel; the caller has reconciled, so
	 * the id is this lease's. -ENOENT: the holder closed it in this very moment. */
	if (reason == LEASE_RELEASED || reason == LEASE_REVOKED || reason == LEASE_UNPLUGGED ||
		reason == LEASE_TAKEOVER) {
		int r = FAILPOINT("end-revoke");
		if (r >= 0) {
			r = lease->lessee ? scanout->card->ops->revoke_lease(
						    scanout->card->fd, lease->lessee)
					  : -ENODATA; // after a restart without state: which one?
		}
		if (r < 0 && r != -ENOENT) {
			log_object(LOG_ERR, scanout, "Cannot revoke lessee %" PRIu32 ": %s",
				lease->lessee, strerror(-r));
			return r;
		}
		FAILPOINT("end-revoked");
	}
	struct identity holder = lease->holder;
	lease_destroy(&manager->leases, lease);
	FAILPOINT("end-removed");
	/* At once: a holder that exits when its lease ends takes its last picture with it, and a
	 * takeover keeps that only if the worker is there first. */
	if (reason == LEASE_TAKEOVER ||
		(scanout->linger && reason != LEASE_UNPLUGGED && reason != LEASE_DEVICE_GONE)) {
		picture_hand_over(manager, scanout);
	} else if (reason != LEASE_DEVICE_GONE) {
		scanout->picture = PICTURE_THEIRS;
		blank_scanout(manager, scanout);
	}
	log_object(LOG_INFO, scanout, "Lease ended: %s", lease_end_reason_name(reason));
	state_save(&manager->state, manager);
	FAILPOINT("end-saved");
	if (manager->observer) {
		manager->observer->ended(manager->observer_data, scanout, &holder, reason);
	}
	return 0;
}

void manager_release_all(struct manager *manager) {
	struct card *card;
	struct scanout *scanout;
	TAILQ_FOREACH (card, &manager->cards, link) {
		reaper_reconcile(manager, card);
		state_forget_card(card->store_name);
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			linger_cut(scanout);
		}
	}
	struct lease *lease, *next;
	for (lease = TAILQ_FIRST(&manager->leases.leases); lease; lease = next) {
		next = TAILQ_NEXT(lease, link);
		manager_end_lease(manager, lease, LEASE_REVOKED);
	}
}

bool manager_is_draining(const struct manager *manager) {
	struct card *card;
	struct scanout *scanout;
	TAILQ_FOREACH (card, &manager->cards, link) {
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if (scanout->state == SCANOUT_DRAINING) {
				return true;
			}
		}
	}
	return false;
}

void manager_adopt_lease(struct manager *manager, struct scanout *scanout,
	struct state_lease *found, struct lease *lease) {
	scanout->objects = found->objects;
	lease_adopt(&manager->leases, lease, scanout, found->lessee, found->generation);
	manager_set_state(manager, scanout, SCANOUT_LEASED, "");
	scanout->since = found->since ? found->since : scanout->since;
	if (found->linger_usec > 0 && linger_restore(manager, scanout, found) < 0) {
		log_object(LOG_WARNING, scanout,
			"Its last picture will not linger: systemd did not "
			"keep what that takes");
	}
	char who[256];
	log_object(LOG_INFO, scanout, "Still leased to %s",
		found->lessee ? identity_describe(&lease->holder, who, sizeof(who))
			      : "somebody whose name is lost");
}

void manager_adopt_picture(
	struct manager *manager, struct scanout *scanout, struct state_lease *found) {
	scanout->objects = found->objects;
	scanout->framebuffer = found->framebuffer;
	scanout->generation = found->generation;
	scanout->last_holder = found->holder;
	snprintf(scanout->last_label, sizeof(scanout->last_label), "%s", found->label);
	if (linger_restore(manager, scanout, found) < 0) {
		blank_scanout(manager, scanout);
		return;
	}
	picture_hand_over(manager, scanout);
	scanout->since = found->since;
}

enum refusal_code manager_release(struct manager *manager, const struct identity *identity,
	const char *id, struct refusal *ret) {
	char name[64];
	size_t length = strcspn(id, "#");
	uint64_t generation = 0;
	char *end = NULL;

	if (id[length] == '#') {
		generation = strtoull(id + length + 1, &end, 10);
	}
	snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : 0), id);
	struct scanout *scanout = manager_find_scanout(manager, name);
	if (!scanout || (end && (*end != '\0' || generation == 0))) {
		return refusal_set(ret, REFUSAL_NO_SUCH,
			"There is no scanout '%.80s'. 'scanoutctl list' shows the ids.", id);
	}
	if (manager->paused) {
		return refusal_set(ret, REFUSAL_DEVICE_BUSY,
			"The seat is disabled: another session has the card, and only its master "
			"can revoke leases. Close the fd, or ask again when the seat is back.");
	}
	if (manager->resting) {
		return refusal_set(ret, REFUSAL_DEVICE_BUSY,
			"scanoutd is being replaced by a new one. Ask again in a moment.");
	}
	int r = reaper_reconcile(manager, scanout->card);
	if (r < 0) {
		return refusal_set(ret, REFUSAL_DEVICE_BUSY,
			"%s does not tell its lessees: %s. Nothing is revoked before it does.",
			scanout->card->device, strerror(-r));
	}
	if (linger_is_on(scanout) && (!end || scanout->generation == generation)) {
		if (policy_check_release(&manager->config, identity, &scanout->last_holder, ret) !=
			REFUSAL_NONE) {
			return ret->code;
		}
		linger_cut(scanout);
		return REFUSAL_NONE;
	}
	if (scanout->state == SCANOUT_DRAINING || scanout->state == SCANOUT_STUCK) {
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
	r = manager_end_lease(manager, scanout->lease,
		identity_acts_for(identity, holder) ? LEASE_RELEASED : LEASE_REVOKED);
	if (r < 0) {
		return refusal_set(ret, REFUSAL_DEVICE_BUSY,
			"The kernel does not revoke the lease on %s: %s. Close its fd, or ask again.",
			scanout->id, strerror(-r));
	}
	return REFUSAL_NONE;
}
