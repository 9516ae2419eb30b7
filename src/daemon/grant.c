#include "grant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "common/cleanup.h"
#include "failpoint.h"
#include "linger.h"
#include "log.h"
#include "manager.h"
#include "policy.h"
#include "reaper.h"
#include "takeover.h"

static enum refusal_code refuse_silent(const struct card *card, struct refusal *refusal) {
	return refusal_set(refusal, REFUSAL_DEVICE_BUSY,
		"%s does not tell its lessees: %s. Nothing is leased before it does.", card->device,
		strerror(-card->silent));
}

static bool had_label(const struct scanout *scanout, const char *label) {
	return label && strcmp(scanout->last_label, label) == 0;
}

/* Which of two draining ones to wait for: a picture that lingers is to do so while it can. */
static bool drains_better(const struct scanout *a, const struct scanout *b, const char *label) {
	if (had_label(a, label) == had_label(b, label) && linger_is_on(a) != linger_is_on(b)) {
		return linger_is_on(b);
	}
	return scanout_suits_better(a, b, label);
}

/* Which scanout a wish gets. `ret_drains`: one that suits better is about to become free. */
static enum refusal_code choose(struct manager *manager, const struct wish *wish,
	struct scanout **ret, bool *ret_drains, struct refusal *refusal) {
	const char *label = wish->label[0] != '\0' ? wish->label : NULL;
	struct scanout *best = NULL, *draining = NULL;
	struct card *card;
	struct scanout *scanout;
	unsigned total = 0;
	const struct card *silent = NULL;

	*ret_drains = false;
	TAILQ_FOREACH (card, &manager->cards, link) {
		if (wish->device[0] != '\0' && strcmp(wish->device, card->device) != 0) {
			continue;
		}
		if (card->silent < 0) {
			silent = card;
			continue;
		}
		struct alloc_taken taken = card_taken(card);
		struct card_objects objects;
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			int i = card_find_connector(card, scanout->connector);
			total++;
			if (scanout->state == SCANOUT_DRAINING &&
				(!draining || drains_better(scanout, draining, label))) {
				draining = scanout;
			} else if (scanout->state == SCANOUT_FREE &&
				   (!best || scanout_suits_better(scanout, best, label)) &&
				   i >= 0 &&
				   alloc_pick(&card->snapshot, &taken, (unsigned)i, &objects) ==
					   0) {
				best = scanout;
			}
		}
	}
	/* A desktop that restarts asks again before its old scanout is blank: it shall have it. */
	if (draining && (!best || (had_label(draining, label) && !had_label(best, label)))) {
		linger_cut(draining);
		*ret_drains = true;
		best = NULL;
	}
	if (!best && total == 0 && silent) {
		return refuse_silent(silent, refusal);
	}
	if (!best && wish->device[0] != '\0' && !manager_find_card(manager, wish->device)) {
		return refusal_set(refusal, REFUSAL_NO_SUCH,
			"There is no card '%s' with outputs. 'scanoutctl list --json' shows the cards.",
			wish->device);
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
	if (!scanout ||
		(wish->device[0] != '\0' && strcmp(wish->device, scanout->card->device) != 0)) {
		return refusal_set(refusal, REFUSAL_NO_SUCH,
			"There is no scanout '%s'. 'scanoutctl list' shows the ids.",
			wish->scanout);
	}
	if (scanout->card->silent < 0) {
		return refuse_silent(scanout->card, refusal);
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
		linger_cut(scanout);
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

/* What the kernel knows, before anything is decided on the table. A card that does not tell, a
 * silent one, is left out, so that it does not stop the others. */
static void reconcile(struct manager *manager) {
	struct card *card;
	TAILQ_FOREACH (card, &manager->cards, link) {
		reaper_reconcile(manager, card);
	}
}

static enum refusal_code may_have(struct manager *manager, const struct wish *wish,
	const struct identity *identity, bool queued, struct lease **ret_old,
	struct refusal *refusal) {
	unsigned held = lease_count_held(&manager->leases, identity) +
			queue_count(&manager->queue, identity) - queued;
	struct lease *same = wish->label[0] != '\0'
				     ? lease_find_label(&manager->leases, identity, wish->label)
				     : NULL;
	*ret_old = wish->takeover ? same : NULL;
	held -= *ret_old ? 1 : 0; // it goes
	if (policy_check_request(&manager->config, identity, held, refusal) != REFUSAL_NONE ||
		policy_check_linger(&manager->config, wish->linger_usec, refusal) != REFUSAL_NONE) {
		return refusal->code;
	}
	if (*ret_old && wish->scanout[0] != '\0' && strcmp(wish->scanout, same->scanout->id) != 0) {
		return refusal_set(refusal, REFUSAL_BUSY,
			"The label '%s' is on %s: a takeover is of that one. Leave 'scanout' out.",
			wish->label, same->scanout->id);
	}
	if (same && !*ret_old) {
		return refusal_set(refusal, REFUSAL_BUSY,
			"You hold %s with the label '%s' already. Release it, close its fd, or use "
			"another label, or ask with 'takeover'.",
			same->scanout->id, wish->label);
	}
	return REFUSAL_NONE;
}

/* The scanout whose picture stands for this request. */
static struct scanout *find_ready(
	struct manager *manager, const struct wish *wish, const struct identity *identity) {
	struct card *card;
	struct scanout *scanout;
	TAILQ_FOREACH (card, &manager->cards, link) {
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if ((wish->takeover || scanout->linger) &&
				scanout->picture == PICTURE_STANDS && wish->label[0] != '\0' &&
				strcmp(scanout->last_label, wish->label) == 0 &&
				identity_same_holder(&scanout->last_holder, identity) &&
				(wish->scanout[0] == '\0' ||
					strcmp(wish->scanout, scanout->id) == 0)) {
				return scanout;
			}
		}
	}
	return NULL;
}

static int pick_objects(struct scanout *scanout) {
	const struct card *card = scanout->card;
	struct alloc_taken taken = card_taken(card);
	int index = card_find_connector(card, scanout->connector);
	if (index < 0) {
		return -ENOENT;
	}
	return alloc_pick(&card->snapshot, &taken, (unsigned)index, &scanout->objects);
}

/*
 * The kernel gave an id that the table still has: the holder of that lease closed it after the
 * list was read. Two leases with one lessee would look alive as long as the new one is, and a
 * release of the old one would revoke the new one.
 */
static void end_namesake(struct manager *manager, const struct card *card, uint32_t lessee) {
	struct lease *lease = lease_find_lessee(&manager->leases, card, lessee);
	if (lease) {
		manager_end_lease(manager, lease, LEASE_CLOSED);
	}
}

/* Memory first, then the kernel, then the table, which cannot fail. */
static enum refusal_code create(struct manager *manager, const struct wish *wish,
	const struct identity *identity, struct scanout *scanout, struct grant *ret,
	struct refusal *refusal) {
	const struct card *card = scanout->card;
	uint32_t lessee, spare;
	AUTO_CLOSE int fd = -1, spare_fd = -1;

	struct lease *lease = lease_new(identity, wish->label);
	if (!lease) {
		return refusal_set(refusal, REFUSAL_DEVICE_BUSY, "scanoutd is out of memory.");
	}
	int r = FAILPOINT("grant-create");
	if (r >= 0 && wish->spare) {
		r = spare_fd = card->ops->create_lease(card->fd, NULL, &spare);
	}
	if (r >= 0) {
		r = fd = card->ops->create_lease(card->fd, &scanout->objects, &lessee);
	}
	if (r < 0) {
		lease_destroy(&manager->leases, lease);
		return refuse_create(scanout, r, refusal);
	}
	FAILPOINT("grant-created");
	struct linger *linger = NULL;
	if (wish->linger_usec > 0) {
		r = linger_new(manager, wish->linger_usec, fd, identity->pid, &linger);
		if (r < 0) {
			lease_destroy(&manager->leases, lease);
			return refuse_create(scanout, r, refusal);
		}
	}
	end_namesake(manager, card, lessee);
	if (wish->spare) {
		end_namesake(manager, card, spare);
	}
	lease_begin(&manager->leases, lease, scanout, lessee);
	linger_begin(scanout, linger);
	FAILPOINT("grant-entered");
	*ret = (struct grant){scanout, lease, TAKE_FD(fd), TAKE_FD(spare_fd)};
	return REFUSAL_NONE;
}

enum refusal_code grant_lease(struct manager *manager, const struct wish *wish,
	const struct identity *identity, bool queued, struct grant *ret, bool *ret_drains,
	struct refusal *refusal) {
	struct scanout *scanout = NULL;

	*ret_drains = manager->resting;
	if (manager->resting) {
		return refusal_set(refusal, REFUSAL_BUSY,
			"scanoutd is being replaced by a new one. Ask again in a moment.");
	}
	if (manager->paused) {
		return refusal_set(refusal, REFUSAL_DEVICE_BUSY,
			"The seat is disabled: another session has the card. Ask again when it is "
			"back, or with a timeout to wait for that.");
	}
	reconcile(manager);
	struct lease *old;
	if (may_have(manager, wish, identity, queued, &old, refusal) != REFUSAL_NONE) {
		return refusal->code;
	}
	FAILPOINT("grant-allowed");
	if (old) {
		int r = takeover_advance(manager, old);
		if (r < 0) {
			return refusal_set(refusal, REFUSAL_DEVICE_BUSY,
				"The kernel does not revoke the old lease: %s. It goes on; ask again.",
				strerror(-r));
		}
		*ret_drains = true;
		return refusal_set(refusal, REFUSAL_BUSY, "The old lease is being taken over.");
	}
	scanout = find_ready(manager, wish, identity);
	enum refusal_code code =
		scanout ? REFUSAL_NONE
		: wish->scanout[0] != '\0'
			? choose_named(manager, wish, &scanout, ret_drains, refusal)
			: choose(manager, wish, &scanout, ret_drains, refusal);
	if (code != REFUSAL_NONE) {
		return code;
	}
	if (scanout->picture != PICTURE_STANDS && pick_objects(scanout) < 0) {
		return refusal_set(refusal, REFUSAL_NO_FREE,
			"No CRTC and primary plane is left for %s. Release a scanout of %s.",
			scanout->id, scanout->card->device);
	}
	if (create(manager, wish, identity, scanout, ret, refusal) != REFUSAL_NONE) {
		return refusal->code;
	}

	scanout->picture = PICTURE_THEIRS;
	manager_set_state(manager, scanout, SCANOUT_LEASED, "");
	/* Before the answer: whoever has a lease has a name after a restart, too. */
	state_save(&manager->state, manager);
	FAILPOINT("grant-saved");
	return REFUSAL_NONE;
}

void grant_announce(struct manager *manager, struct lease *lease) {
	char who[256];
	log_object(LOG_INFO, lease->scanout, "Leased to %s%s%s%s as lessee %" PRIu32,
		identity_describe(&lease->holder, who, sizeof(who)),
		lease->label[0] ? ", label '" : "", lease->label, lease->label[0] ? "'" : "",
		lease->lessee);
	if (manager->observer) {
		manager->observer->leased(manager->observer_data, lease);
	}
}
