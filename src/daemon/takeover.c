#include "takeover.h"

#include "manager.h"
#include "picture.h"

void takeover_advance(struct manager *manager, struct lease *old) {
	struct scanout *scanout = old->scanout;
	if (scanout->picture == PICTURE_THEIRS) {
		picture_adopt(manager, scanout);
	}
	if (scanout->picture != PICTURE_ADOPTING) {
		manager_end_lease(manager, old, LEASE_TAKEOVER);
	}
}
