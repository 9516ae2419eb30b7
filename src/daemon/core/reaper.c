#include "daemon/core/reaper.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/manager.h"
#include "daemon/core/terminate.h"
#include "daemon/util/log.h"

/* A lessee needs a CRTC of its own, so there are never more. */
#define MAX_LESSEES CARD_MAX_OBJECTS

/* A lease from before a restart whose lessee is not known: does the kernel still refuse to lease
 * its objects to another? */
static bool is_held(const struct card *card, const struct lease *lease) {
	uint32_t lessee;
	int fd = card->ops->create_lease(card->fd, &lease->scanout->objects, &lessee);
	if (fd >= 0) {
		close(fd);
	}
	return fd < 0;
}

int reaper_reconcile(struct manager *manager, struct card *card) {
	uint32_t lessees[MAX_LESSEES];
	struct lease *dead[MAX_LESSEES];
	size_t n_dead = 0;

	if (manager->host.paused) {
		return -EAGAIN; // the kernel tells its master only
	}
	int n = card->ops->list_lessees(card->fd, lessees, MAX_LESSEES);
	if (n > MAX_LESSEES) {
		n = -EPROTO;
	}
	if (n < 0) {
		if (n != card->silent) {
			log_error("%s: Cannot list the lessees: %s", card->device, strerror(-n));
		}
		card->silent = n;
		retry_later(&manager->retry); // an end may have been missed, and somebody waits
		return n;
	}
	card->silent = 0;

	/* Collect first, then end: ending changes the table. */
	struct lease *lease;
	TAILQ_FOREACH (lease, &manager->leases.leases, link) {
		if (lease->scanout->card == card && n_dead < MAX_LESSEES &&
			(lease->lessee ? !lease_is_listed(lessees, n, lease->lessee)
				       : !is_held(card, lease))) {
			dead[n_dead++] = lease;
		}
	}
	for (size_t i = 0; i < n_dead; i++) {
		lease_terminate(manager, dead[i], LEASE_CLOSED);
	}
	return 0;
}
