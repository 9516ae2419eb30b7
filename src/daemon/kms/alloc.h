/* Which objects make up a scanout: pure functions on a card's snapshot. */
#ifndef SCANOUTD_ALLOC_H
#define SCANOUTD_ALLOC_H

#include <stdint.h>

#include "daemon/kms/kms.h"

/*
 * Chooses CRTC and planes for the connector at `index` of the snapshot, so that as many of the
 * other free connectors as possible can still be served afterwards. Takes one primary plane, a
 * cursor plane if there is one, and the overlay planes that no other CRTC can use.
 * Returns 0, or -ENOSPC if no CRTC with a primary plane is left for it.
 */
int alloc_pick(const struct card_snapshot *snapshot, const struct alloc_taken *taken,
	unsigned index, struct card_objects *ret);

/* Marks the objects as taken. Ids that the snapshot does not have are ignored. */
void alloc_take(const struct card_snapshot *snapshot, const struct card_objects *objects,
	struct alloc_taken *taken);

#endif
