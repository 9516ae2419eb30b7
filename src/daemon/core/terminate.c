#include "daemon/core/terminate.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/core/manager.h"
#include "daemon/drain/drain.h"
#include "daemon/model/card.h"
#include "daemon/model/scanout_log.h"
#include "daemon/util/failpoint.h"

int lease_terminate(struct manager *manager, struct lease *lease, enum lease_end_reason reason) {
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
			scanout_log(LOG_ERR, scanout, "Cannot revoke lessee %" PRIu32 ": %s",
				lease->lessee, strerror(-r));
			return r;
		}
		FAILPOINT("end-revoked");
	}
	struct identity holder = lease->holder;
	/* While the lease's fields are there to find the line by. */
	scanout_log(LOG_INFO, scanout, "Lease ended: %s", lease_end_reason_name(reason));
	lease_destroy(&manager->leases, lease);
	scanout->preferred = card_size_scanout(scanout->card, scanout);
	FAILPOINT("end-removed");
	/* At once: a holder that exits when its lease ends takes its last picture with it, and a
	 * takeover keeps that only if the worker is there first. */
	if (reason == LEASE_TAKEOVER ||
		(scanout->linger && reason != LEASE_UNPLUGGED && reason != LEASE_DEVICE_GONE)) {
		drain_hand_over(scanout);
	} else if (reason != LEASE_DEVICE_GONE) {
		drain_blank(scanout);
	}
	manager_save_later(manager);
	manager_tell(manager, ended, scanout, &holder, reason);
	return 0;
}

int lease_take_over(struct manager *manager, struct lease *old) {
	struct scanout *scanout = old->scanout;
	if (scanout->phase == PHASE_LEASED) {
		drain_save(scanout);
	}
	if (scanout->phase == PHASE_SAVING) {
		return 0;
	}
	int r = lease_terminate(manager, old, LEASE_TAKEOVER);
	if (r < 0) {
		drain_abandon(scanout);
	}
	return r;
}
