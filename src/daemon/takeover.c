#include "takeover.h"

#include "manager.h"
#include "picture.h"

int takeover_advance(struct manager *manager, struct lease *old) {
	struct scanout *scanout = old->scanout;
	if (scanout->picture == PICTURE_THEIRS) {
		picture_adopt(manager, scanout);
	}
	if (scanout->picture == PICTURE_ADOPTING) {
		return 0;
	}
	int r = manager_end_lease(manager, old, LEASE_TAKEOVER);
	if (r < 0) {
		scanout->picture = PICTURE_THEIRS;
	}
	return r;
}
