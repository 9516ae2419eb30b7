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
#include "log.h"
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
	manager->stopping = true;
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
}

void manager_set_state(struct manager *manager, struct scanout *scanout,
	enum scanout_state state, const char *reason) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	scanout->state = state;
	scanout->since = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	snprintf(scanout->reason, sizeof(scanout->reason), "%s", reason);
	if (manager->observer) {
		manager->observer->changed(manager->observer_data, scanout);
	}
}

struct card *manager_find_card(struct manager *manager, const char *device) {
	struct card *card;
	TAILQ_FOREACH(card, &manager->cards, link) {
		if (strcmp(card->device, device) == 0) {
			return card;
		}
	}
	return NULL;
}

struct scanout *manager_find_scanout(struct manager *manager, const char *id) {
	struct card *card;
	struct scanout *scanout;
	TAILQ_FOREACH(card, &manager->cards, link) {
		TAILQ_FOREACH(scanout, &card->scanouts, link) {
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
	TAILQ_FOREACH(card, &manager->cards, link) {
		TAILQ_FOREACH(scanout, &card->scanouts, link) {
			*ret_total += 1;
			*ret_free += scanout->state == SCANOUT_FREE;
		}
	}
}

/* Which scanout a wish gets. `ret_drains`: one that suits better is about to become free. */
static enum refusal_code choose(struct manager *manager, const struct wish *wish,
	struct scanout **ret, bool *ret_drains, struct refusal *refusal) {
	const char *label = wish->label[0] != '\0' ? wish->label : NULL;
	struct scanout *best = NULL, *draining = NULL;
	struct card *card;
	struct scanout *scanout;
	unsigned total = 0;

	*ret_drains = false;
	TAILQ_FOREACH(card, &manager->cards, link) {
		struct alloc_taken taken = card_taken(card);
		struct card_objects objects;
		TAILQ_FOREACH(scanout, &card->scanouts, link) {
			int i = card_find_connector(card, scanout->connector);
			total++;
			if (scanout->state == SCANOUT_DRAINING &&
				(!draining || scanout_suits_better(scanout, draining, label))) {
				draining = scanout;
			} else if (scanout->state == SCANOUT_FREE &&
				(!best || scanout_suits_better(scanout, best, label)) && i >= 0 &&
				alloc_pick(&card->snapshot, &taken, (unsigned)i, &objects) == 0) {
				best = scanout;
			}
		}
	}
	/* A desktop that restarts asks again before its old scanout is blank: it shall have it. */
	if (draining &&
		(!best || (label && strcmp(draining->last_label, label) == 0 &&
				  strcmp(best->last_label, label) != 0))) {
		*ret_drains = true;
		best = NULL;
	}
	if (!best) {
		return refusal_set(refusal, REFUSAL_NO_FREE,
			total == 0
				? "There is no card with outputs yet. 'scanoutctl doctor' says what is "
				  "missing."
				: "No scanout is free. 'scanoutctl list' shows who has them; release "
				  "one, or ask with a timeout to wait for one.");
	}
	*ret = best;
	return REFUSAL_NONE;
}

/* The same for a wish that names its scanout. */
static enum refusal_code choose_named(struct manager *manager, const struct wish *wish,
	struct scanout **ret, bool *ret_drains, struct refusal *refusal) {
	struct scanout *scanout = manager_find_scanout(manager, wish->scanout);

	*ret_drains = false;
	if (!scanout) {
		return refusal_set(refusal, REFUSAL_NO_SUCH,
			"There is no scanout '%s'. 'scanoutctl list' shows the ids.", wish->scanout);
	}
	switch (scanout->state) {
	case SCANOUT_FREE:
		*ret = scanout;
		return REFUSAL_NONE;
	case SCANOUT_LEASED:
		return refusal_set(refusal, REFUSAL_BUSY,
			"%s is leased. Ask for another, or with a timeout to wait for it.",
			scanout->id);
	case SCANOUT_DRAINING:
		*ret_drains = true;
		return refusal_set(refusal, REFUSAL_BUSY,
			"%s is being blanked. Ask again in a moment.", scanout->id);
	case SCANOUT_STUCK:
		return refusal_set(refusal, REFUSAL_BUSY,
			"%s is stuck (%s). Ask for another; it becomes free by itself when the lock "
			"is given back.",
			scanout->id, scanout->reason);
	case SCANOUT_EXCLUDED:
		return refusal_set(refusal, REFUSAL_NOT_ALLOWED,
			"%s is excluded by Exclude= in scanoutd.conf. Ask for another.",
			scanout->id);
	case SCANOUT_ABSENT:
		return refusal_set(refusal, REFUSAL_NO_SUCH,
			"%s is not connected. Connect it on the host, or set ForceConnect=yes in "
			"scanoutd.conf.",
			scanout->id);
	}
	abort();
}

static enum refusal_code refuse_create(
	const struct scanout *scanout, int error, struct refusal *refusal) {
	log_object(LOG_ERR, scanout, "Cannot create a lease: %s", strerror(-error));
	switch (error) {
	case -ENODEV:
	case -ENOENT:
		return refusal_set(refusal, REFUSAL_DEVICE_GONE,
			"%s has just gone away. Ask for another.", scanout->id);
	case -EACCES:
		return refusal_set(refusal, REFUSAL_DEVICE_BUSY,
			"scanoutd is not master of %s any more. 'scanoutctl doctor' says who is.",
			scanout->card->device);
	default:
		return refusal_set(refusal, REFUSAL_DEVICE_BUSY,
			"The kernel refuses a lease on %s: %s. The daemon's journal says more.",
			scanout->id, strerror(-error));
	}
}

/*
 * The grant path, from the wish to the fd. `ret_may_wait`: the refusal is one that time may mend;
 * `ret_drains`: it will, within the blanking's deadline.
 */
static enum refusal_code grant(struct manager *manager, const struct wish *wish,
	const struct identity *identity, struct grant *ret, bool *ret_drains,
	struct refusal *refusal) {
	struct scanout *scanout = NULL;
	struct card *card;
	struct lease *same;

	*ret_drains = false;
	if (manager->paused) {
		return refusal_set(refusal, REFUSAL_DEVICE_BUSY,
			"The seat is disabled: another session has the card. Ask again when it is "
			"back.");
	}

	/* 1. What the kernel knows, before anything is decided on the table. */
	TAILQ_FOREACH(card, &manager->cards, link) {
		int r = reaper_reconcile(manager, card);
		if (r < 0) {
			return refusal_set(refusal, REFUSAL_DEVICE_BUSY,
				"%s does not tell its lessees: %s. Nothing is leased before it does.",
				card->device, strerror(-r));
		}
	}

	/* 2. May it? */
	unsigned held = lease_count_held(&manager->leases, identity) +
		queue_count(&manager->queue, identity);
	if (policy_check_request(&manager->config, identity, held, refusal) != REFUSAL_NONE) {
		return refusal->code;
	}
	same = wish->label[0] != '\0' ? lease_find_label(&manager->leases, identity, wish->label)
				      : NULL;
	if (same) {
		return refusal_set(refusal, REFUSAL_BUSY,
			"You hold %s with the label '%s' already. Release it, close its fd, or use "
			"another label.",
			same->scanout->id, wish->label);
	}

	/* 3. Which? */
	enum refusal_code code = wish->scanout[0] != '\0'
		? choose_named(manager, wish, &scanout, ret_drains, refusal)
		: choose(manager, wish, &scanout, ret_drains, refusal);
	if (code != REFUSAL_NONE) {
		return code;
	}
	card = scanout->card;
	struct alloc_taken taken = card_taken(card);
	int index = card_find_connector(card, scanout->connector);
	if (index < 0 || alloc_pick(&card->snapshot, &taken, (unsigned)index, &scanout->objects) < 0) {
		return refusal_set(refusal, REFUSAL_NO_FREE,
			"No CRTC and primary plane is left for %s. Release a scanout of %s.",
			scanout->id, card->device);
	}

	/* 4. The lease: memory first, then the kernel, then the table, which cannot fail. */
	struct lease *lease = lease_new(identity, wish->label);
	if (!lease) {
		return refusal_set(refusal, REFUSAL_DEVICE_BUSY, "scanoutd is out of memory.");
	}
	*ret = (struct grant){.scanout = scanout, .lease = lease, .fd = -1, .spare_fd = -1};
	uint32_t lessee, spare;
	if (wish->spare) {
		ret->spare_fd = card->ops->create_lease(card->fd, NULL, &spare);
		if (ret->spare_fd < 0) {
			lease_destroy(&manager->leases, lease);
			return refuse_create(scanout, ret->spare_fd, refusal);
		}
	}
	ret->fd = card->ops->create_lease(card->fd, &scanout->objects, &lessee);
	if (ret->fd < 0) {
		int r = ret->fd;
		if (ret->spare_fd >= 0) {
			close(ret->spare_fd);
		}
		lease_destroy(&manager->leases, lease);
		return refuse_create(scanout, r, refusal);
	}
	lease_begin(&manager->leases, lease, scanout, lessee);
	manager_set_state(manager, scanout, SCANOUT_LEASED, "");

	char who[256];
	log_object(LOG_INFO, scanout, "Leased to %s%s%s%s as lessee %" PRIu32,
		identity_describe(identity, who, sizeof(who)), lease->label[0] ? ", label '" : "",
		lease->label, lease->label[0] ? "'" : "", lessee);
	if (manager->observer) {
		manager->observer->leased(manager->observer_data, lease);
	}
	return REFUSAL_NONE;
}

static bool may_wait(const struct refusal *refusal) {
	return refusal->code == REFUSAL_NO_FREE || refusal->code == REFUSAL_BUSY;
}

struct waiter *manager_request(struct manager *manager, const struct wish *wish,
	const struct identity *identity, grant_fn reply, void *data) {
	struct refusal refusal;
	struct grant granted;
	bool drains;

	if (grant(manager, wish, identity, &granted, &drains, &refusal) == REFUSAL_NONE) {
		reply(data, &granted, NULL);
		return NULL;
	}
	if (drains || (may_wait(&refusal) && wish->timeout_usec > 0)) {
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
		/* Taken out while it is tried, so that its own place does not count as held. */
		struct waiter *before = TAILQ_PREV(waiter, waiter_list, link);
		struct refusal refusal;
		struct grant granted;
		bool drains;
		next = TAILQ_NEXT(waiter, link);
		TAILQ_REMOVE(&manager->queue.waiters, waiter, link);
		enum refusal_code code = grant(
			manager, &waiter->wish, &waiter->identity, &granted, &drains, &refusal);
		if (before) {
			TAILQ_INSERT_AFTER(&manager->queue.waiters, before, waiter, link);
		} else {
			TAILQ_INSERT_HEAD(&manager->queue.waiters, waiter, link);
		}
		if (code != REFUSAL_NONE && (drains || (may_wait(&refusal) && waiter->timer))) {
			continue;
		}
		grant_fn reply = waiter->reply;
		void *data = waiter->data;
		queue_remove(&manager->queue, waiter);
		reply(data, code == REFUSAL_NONE ? &granted : NULL, &refusal);
	}
}

void manager_end_lease(struct manager *manager, struct lease *lease, enum lease_end_reason reason) {
	struct scanout *scanout = lease->scanout;

	/* Only released and revoked leases are still in the kernel; the caller has reconciled, so
	 * the id is this lease's. -ENOENT: the holder closed it in this very moment. */
	if (reason == LEASE_RELEASED || reason == LEASE_REVOKED || reason == LEASE_UNPLUGGED) {
		int r = scanout->card->ops->revoke_lease(scanout->card->fd, lease->lessee);
		if (r < 0 && r != -ENOENT) {
			log_object(LOG_ERR, scanout, "Cannot revoke lessee %" PRIu32 ": %s",
				lease->lessee, strerror(-r));
		}
	}
	log_object(LOG_INFO, scanout, "Lease ended: %s", lease_end_reason_name(reason));
	lease_destroy(&manager->leases, lease);
	if (reason != LEASE_DEVICE_GONE) {
		blank_scanout(manager, scanout);
	}
	if (manager->observer) {
		manager->observer->ended(manager->observer_data, scanout, reason);
	}
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
	int r = reaper_reconcile(manager, scanout->card);
	if (r < 0) {
		return refusal_set(ret, REFUSAL_DEVICE_BUSY,
			"%s does not tell its lessees: %s. Nothing is revoked before it does.",
			scanout->card->device, strerror(-r));
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
	manager_end_lease(manager, scanout->lease,
		identity_same_holder(identity, holder) ? LEASE_RELEASED : LEASE_REVOKED);
	return REFUSAL_NONE;
}
