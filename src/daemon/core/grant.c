#include "daemon/core/grant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/manager.h"
#include "daemon/core/reaper.h"
#include "daemon/core/terminate.h"
#include "daemon/drain/drain.h"
#include "daemon/drain/linger.h"
#include "daemon/kms/alloc.h"
#include "daemon/model/policy.h"
#include "daemon/model/scanout_log.h"
#include "daemon/util/failpoint.h"

#define refuse(...) (refusal_set(__VA_ARGS__), GRANT_REFUSED)

static enum grant_outcome refuse_silent(const struct card *card, struct refusal *refusal) {
	return refuse(refusal, REFUSAL_DEVICE_BUSY,
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

/* Which scanout a wish gets, or, with GRANT_WAIT, had best wait for. */
static enum grant_outcome choose(struct manager *manager, const struct wish *wish,
	struct scanout **ret, struct refusal *refusal) {
	const char *label = wish->label[0] != '\0' ? wish->label : NULL;
	struct scanout *best = NULL, *draining = NULL;
	struct card *card;
	struct scanout *scanout;
	unsigned total = 0;
	const struct card *silent = NULL;

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
			enum scanout_state state = scanout_state(scanout);
			if (state == SCANOUT_DRAINING &&
				(!draining || drains_better(scanout, draining, label))) {
				draining = scanout;
			} else if (state == SCANOUT_FREE &&
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
		*ret = draining;
		return GRANT_WAIT;
	}
	if (!best && total == 0 && silent) {
		return refuse_silent(silent, refusal);
	}
	if (!best && wish->device[0] != '\0' && !manager_find_card(manager, wish->device)) {
		return refuse(refusal, REFUSAL_NO_SUCH,
			"There is no card '%s' with outputs. 'scanoutctl list --json' shows the cards.",
			wish->device);
	}
	if (!best) {
		return refuse(refusal, REFUSAL_NO_FREE,
			total == 0
				? "There is no card with outputs yet. 'scanoutctl doctor' says what is "
				  "missing."
				: "No scanout is free. 'scanoutctl list' shows who has them; release "
				  "one, or ask with a timeout to wait for one.");
	}
	*ret = best;
	return GRANT_DONE;
}

/* The same for a wish that names its scanout. */
static enum grant_outcome choose_named(struct manager *manager, const struct wish *wish,
	struct scanout **ret, struct refusal *refusal) {
	struct scanout *scanout = manager_find_scanout(manager, wish->scanout);

	if (!scanout ||
		(wish->device[0] != '\0' && strcmp(wish->device, scanout->card->device) != 0)) {
		return refuse(refusal, REFUSAL_NO_SUCH,
			"There is no scanout '%s'. 'scanoutctl list' shows the ids.",
			wish->scanout);
	}
	if (scanout->card->silent < 0) {
		return refuse_silent(scanout->card, refusal);
	}
	*ret = scanout;
	switch (scanout_state(scanout)) {
	case SCANOUT_FREE:
		return GRANT_DONE;
	case SCANOUT_LEASED:
		return refuse(refusal, REFUSAL_BUSY,
			"%s is leased. Ask for another, or with a timeout to wait for it.",
			scanout->id);
	case SCANOUT_DRAINING:
		return GRANT_WAIT;
	case SCANOUT_STUCK:
		return refuse(refusal, REFUSAL_BUSY,
			"%s is stuck (%s). Ask for another; it becomes free by itself when the lock "
			"is given back.",
			scanout->id, scanout->reason);
	case SCANOUT_EXCLUDED:
		return refuse(refusal, REFUSAL_NOT_ALLOWED,
			"%s is excluded by Exclude= in scanoutd.conf. Ask for another.",
			scanout->id);
	case SCANOUT_ABSENT:
		return refuse(refusal, REFUSAL_NO_SUCH,
			"%s is not connected. Connect it on the host, or set ForceConnect=yes in "
			"scanoutd.conf.",
			scanout->id);
	}
	abort();
}

static enum grant_outcome refuse_create(
	const struct scanout *scanout, int error, struct refusal *refusal) {
	scanout_log(LOG_ERR, scanout, "Cannot create a lease: %s", strerror(-error));
	switch (error) {
	case -ENODEV:
	case -ENOENT:
		return refuse(refusal, REFUSAL_DEVICE_GONE,
			"%s has just gone away. Ask for another.", scanout->id);
	case -EACCES:
		return refuse(refusal, REFUSAL_DEVICE_BUSY,
			"scanoutd is not master of %s any more. 'scanoutctl doctor' says who is.",
			scanout->card->device);
	default:
		return refuse(refusal, REFUSAL_DEVICE_BUSY,
			"The kernel refuses a lease on %s: %s. The daemon's journal says more.",
			scanout->id, strerror(-error));
	}
}

void grant_reconcile(struct manager *manager) {
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

/* The scanout whose picture stands for this request, or is about to. */
static struct scanout *find_picture(struct manager *manager, const struct wish *wish,
	const struct identity *identity, const struct scanout_claim *claim) {
	struct card *card;
	struct scanout *scanout;
	MANAGER_FOREACH_SCANOUT (manager, card, scanout) {
		if ((scanout->phase == PHASE_STANDING || scanout->phase == PHASE_CHECKING) &&
			(!scanout->claim || scanout->claim == claim) &&
			(wish->takeover || scanout->linger) && wish->label[0] != '\0' &&
			strcmp(scanout->last_label, wish->label) == 0 &&
			identity_same_holder(&scanout->last_holder, identity) &&
			(wish->scanout[0] == '\0' || strcmp(wish->scanout, scanout->id) == 0)) {
			return scanout;
		}
	}
	return NULL;
}

/*
 * The kernel gave an id that the table still has: the holder of that lease closed it after the
 * list was read. Two leases with one lessee would look alive as long as the new one is, and a
 * release of the old one would revoke the new one.
 */
static void end_namesake(struct manager *manager, const struct card *card, uint32_t lessee) {
	struct lease *lease = lease_find_lessee(&manager->leases, card, lessee);
	if (lease) {
		lease_terminate(manager, lease, LEASE_CLOSED);
	}
}

/* Memory first, then the kernel, then the table, which cannot fail. */
static enum grant_outcome create(struct manager *manager, const struct wish *wish,
	const struct identity *identity, struct scanout *scanout, struct grant *ret,
	struct refusal *refusal) {
	const struct card *card = scanout->card;
	uint32_t lessee, spare;
	AUTO_CLOSE int fd = -1, spare_fd = -1;

	struct lease *lease = lease_new(identity, wish->label);
	if (!lease) {
		return refuse(refusal, REFUSAL_DEVICE_BUSY, "scanoutd is out of memory.");
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
		r = linger_new(manager->host.event, wish->linger_usec, fd, identity->pid, &linger);
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
	drain_lease(scanout, linger);
	FAILPOINT("grant-entered");
	*ret = (struct grant){scanout, lease, TAKE_FD(fd), TAKE_FD(spare_fd)};
	return GRANT_DONE;
}

/* The scanout that the request gets now, with what drives it; with GRANT_WAIT the one that it shall
 * claim, or NULL. */
static enum grant_outcome find(struct manager *manager, const struct wish *wish,
	const struct identity *identity, const struct waiter *waiter, struct scanout **ret,
	struct refusal *refusal) {
	*ret = find_picture(manager, wish, identity, waiter ? &waiter->claim : NULL);
	if (*ret) {
		return (*ret)->phase == PHASE_STANDING ? GRANT_DONE : GRANT_WAIT;
	}
	enum grant_outcome outcome = wish->scanout[0] != '\0'
					     ? choose_named(manager, wish, ret, refusal)
					     : choose(manager, wish, ret, refusal);
	if (outcome == GRANT_WAIT) {
		drain_cut(*ret); // a picture that lingers there is in the way
		*ret = NULL;
	}
	if (outcome == GRANT_DONE && card_pick_objects(*ret) < 0) {
		return refuse(refusal, REFUSAL_NO_FREE,
			"No CRTC and primary plane is left for %s. Release a scanout of %s.",
			(*ret)->id, (*ret)->card->device);
	}
	return outcome;
}

enum grant_outcome grant_lease(struct manager *manager, const struct wish *wish,
	const struct identity *identity, const struct waiter *waiter, struct grant *ret,
	struct refusal *refusal) {
	struct lease *old;
	struct scanout *scanout;

	*ret = (struct grant){.fd = -1, .spare_fd = -1};
	if (manager->host.paused) {
		return refuse(refusal, REFUSAL_DEVICE_BUSY,
			"The seat is disabled: another session has the card. Ask again when it is "
			"back, or with a timeout to wait for that.");
	}
	if (may_have(manager, wish, identity, waiter, &old, refusal) != REFUSAL_NONE) {
		return GRANT_REFUSED;
	}
	FAILPOINT("grant-allowed");
	if (old) {
		scanout = old->scanout;
		int r = lease_take_over(manager, old);
		ret->scanout = r >= 0 ? scanout : NULL;
		return r >= 0 ? GRANT_WAIT
			      : refuse(refusal, REFUSAL_DEVICE_BUSY,
					"The kernel does not revoke the old lease: %s. It goes on; "
					"ask again.",
					strerror(-r));
	}
	enum grant_outcome outcome = find(manager, wish, identity, waiter, &scanout, refusal);
	if (outcome == GRANT_WAIT) {
		ret->scanout = scanout;
	}
	if (outcome == GRANT_DONE) {
		outcome = create(manager, wish, identity, scanout, ret, refusal);
	}
	if (outcome == GRANT_DONE) {
		/* Before the answer: whoever has a lease has a name after a restart, too. */
		manager_save(manager);
		FAILPOINT("grant-saved");
	}
	return outcome;
}

void grant_announce(struct manager *manager, struct lease *lease) {
	char who[256];
	scanout_log(LOG_INFO, lease->scanout, "Leased to %s%s%s%s as lessee %" PRIu32,
		identity_describe(&lease->holder, who, sizeof(who)),
		lease->label[0] ? ", label '" : "", lease->label, lease->label[0] ? "'" : "",
		lease->lessee);
	if (!card_has_size(lease->scanout->card, lease->scanout->connector)) {
		const struct card_mode *size = &lease->scanout->preferred;
		scanout_log(LOG_INFO, lease->scanout,
			"The host has given it no size, so its holder is told %" PRIu32 "x%" PRIu32
			", by DefaultSize=",
			size->width, size->height);
	}
	manager_tell(manager, leased, lease);
}
