#include "scanout.h"

#include <string.h>

const char *scanout_state_name(enum scanout_state state) {
	static const char *const names[] = {
		[SCANOUT_FREE] = "free",
		[SCANOUT_LEASED] = "leased",
		[SCANOUT_DRAINING] = "draining",
		[SCANOUT_STUCK] = "stuck",
		[SCANOUT_EXCLUDED] = "excluded",
		[SCANOUT_ABSENT] = "absent",
	};
	return names[state];
}

bool scanout_is_taken(const struct scanout *scanout) {
	return scanout->state == SCANOUT_LEASED || scanout->state == SCANOUT_DRAINING ||
	       scanout->state == SCANOUT_STUCK;
}

static int rank(const struct scanout *scanout, const char *label) {
	if (label && strcmp(scanout->last_label, label) == 0) {
		return 0;
	}
	return scanout->last_label[0] == '\0' ? 1 : 2;
}

bool scanout_suits_better(const struct scanout *a, const struct scanout *b, const char *label) {
	int rank_a = rank(a, label), rank_b = rank(b, label);
	if (rank_a != rank_b) {
		return rank_a < rank_b;
	}
	return a->freed < b->freed;
}
