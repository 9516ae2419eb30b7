#include "daemon/model/scanout.h"

#include <string.h>

enum scanout_state scanout_state(const struct scanout *scanout) {
	static const enum scanout_state states[] = {
		[PHASE_FREE] = SCANOUT_FREE,
		[PHASE_LEASED] = SCANOUT_LEASED,
		[PHASE_SAVING] = SCANOUT_LEASED,
		[PHASE_SAVED] = SCANOUT_LEASED,
		[PHASE_LOST] = SCANOUT_LEASED,
		[PHASE_CHECKING] = SCANOUT_DRAINING,
		[PHASE_STANDING] = SCANOUT_DRAINING,
		[PHASE_BLANKING] = SCANOUT_DRAINING,
		[PHASE_HELD] = SCANOUT_DRAINING,
		[PHASE_LATE] = SCANOUT_STUCK,
		[PHASE_FAILED] = SCANOUT_STUCK,
		[PHASE_EXCLUDED] = SCANOUT_EXCLUDED,
		[PHASE_ABSENT] = SCANOUT_ABSENT,
	};
	return states[scanout->phase];
}

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
	enum scanout_state state = scanout_state(scanout);
	return state == SCANOUT_LEASED || state == SCANOUT_DRAINING || state == SCANOUT_STUCK;
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
