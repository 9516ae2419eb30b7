#include "daemon/core/restore.h"

#include <stdio.h>

#include "common/cleanup.h"
#include "daemon/core/manager.h"
#include "daemon/core/survey.h"
#include "daemon/drain/drain.h"
#include "daemon/model/scanout_log.h"

static void restore_lease(struct manager *manager, struct scanout *scanout,
	struct state_lease *found, struct lease *lease) {
	scanout->objects = found->objects;
	lease_adopt(&manager->leases, lease, scanout, found->lessee, found->generation);
	scanout->preferred = found->shown;
	scanout->preferred = card_size_scanout(scanout->card, scanout);
	drain_lease(scanout, NULL);
	scanout->since = found->since ? found->since : scanout->since;
	if (found->linger_usec > 0 && drain_restore(scanout, found) < 0) {
		scanout_log(LOG_WARNING, scanout,
			"Its last picture will not linger: systemd did not "
			"keep what that takes");
	}
	char who[256];
	scanout_log(LOG_INFO, scanout, "Still leased to %s",
		found->lessee ? identity_describe(&lease->holder, who, sizeof(who))
			      : "somebody whose name is lost");
}

void restore_picture(struct scanout *scanout, struct state_lease *found) {
	scanout->objects = found->objects;
	scanout->framebuffer = found->framebuffer;
	scanout->generation = found->generation;
	scanout->last_holder = found->holder;
	snprintf(scanout->last_label, sizeof(scanout->last_label), "%s", found->label);
	if (drain_restore(scanout, found) < 0) {
		drain_blank(scanout);
		return;
	}
	drain_hand_over(scanout);
	scanout->since = found->since;
}

void restore(struct manager *manager, struct card *card, struct survey *survey) {
	for (unsigned i = 0; i < survey->n_found; i++) {
		struct state_lease *found = &survey->found[i];
		struct scanout *scanout;
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if (scanout->connector != found->objects.connector) {
				continue;
			}
			if (found->until > 0) {
				restore_picture(scanout, found);
			} else if (survey->leases[i]) {
				restore_lease(manager, scanout, found, TAKE_PTR(survey->leases[i]));
			}
		}
	}
}
