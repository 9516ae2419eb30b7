#include "pause.h"

#include "alloc.h"
#include "blank.h"
#include "inventory.h"
#include "linger.h"
#include "log.h"
#include "manager.h"
#include "reaper.h"

static void tell(struct manager *manager) {
	if (manager->observer) {
		manager->observer->paused(manager->observer_data);
	}
}

void pause_begin(struct manager *manager) {
	log_info("The seat is disabled: another session has the card. Leases are kept");
	manager->paused = true;
	tell(manager);
}

/* What will drive it once it is leased, for who draws on it now. */
static bool pick_objects(struct scanout *scanout) {
	const struct card *card = scanout->card;
	struct alloc_taken taken = card_taken(card);
	int i = card_find_connector(card, scanout->connector);
	return i >= 0 && alloc_pick(&card->snapshot, &taken, (unsigned)i, &scanout->objects) == 0;
}

/* What is shown may be the other session's: nothing of that lingers as a holder's last picture. */
static void cut_lingering(struct card *card) {
	struct scanout *scanout;
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		if (!scanout->lease || linger_is_due(scanout) || linger_usec(scanout) == 0) {
			linger_cut(scanout);
		}
	}
}

static void resume_scanout(struct manager *manager, struct scanout *scanout) {
	bool idle = scanout->state == SCANOUT_FREE || scanout->state == SCANOUT_ABSENT;
	if ((idle && pick_objects(scanout)) || scanout->held) {
		blank_scanout(manager, scanout);
	} else if (scanout->lease) {
		linger_advance(scanout);
	}
}

void pause_end(struct manager *manager) {
	struct card *card;
	struct scanout *scanout;

	log_info("The seat is ours");
	manager->paused = false;
	TAILQ_FOREACH (card, &manager->cards, link) {
		cut_lingering(card);
		reaper_reconcile(manager, card);
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			resume_scanout(manager, scanout);
		}
		if (card->outdated && !card->updating) {
			card->outdated = false;
			inventory_update(manager, card);
		}
	}
	tell(manager);
	manager_serve_queue(manager);
}
