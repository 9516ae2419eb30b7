#include "daemon/core/pause.h"

#include "daemon/core/inventory.h"
#include "daemon/core/manager.h"
#include "daemon/core/reaper.h"
#include "daemon/drain/drain.h"
#include "daemon/drain/linger.h"
#include "daemon/util/log.h"

static void tell(struct manager *manager) {
	manager_tell(manager, paused);
}

void pause_begin(struct manager *manager) {
	log_info("The seat is disabled: another session has the card. Leases are kept");
	manager->host.paused = true;
	tell(manager);
}

/* What is shown may be the other session's: nothing of that lingers as a holder's last picture. */
static void cut_lingering(struct card *card) {
	struct scanout *scanout;
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		if (!scanout->lease || linger_is_due(scanout) || linger_usec(scanout) == 0) {
			drain_cut(scanout);
		}
	}
}

void pause_end(struct manager *manager) {
	struct card *card;
	struct scanout *scanout;

	log_info("The seat is ours");
	manager->host.paused = false;
	TAILQ_FOREACH (card, &manager->cards, link) {
		cut_lingering(card);
		reaper_reconcile(manager, card);
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			drain_resume(scanout);
		}
		if (card->outdated && !card->updating) {
			card->outdated = false;
			inventory_update(manager, card);
		}
	}
	tell(manager);
	queue_wake(&manager->queue);
}
