/* What the daemon does, as one function each, and what has to hold afterwards. */
#ifndef TESTS_SCENARIO_H
#define TESTS_SCENARIO_H

#include "rig.h"

#define N_SCENARIOS 16

enum scenario_flags {
	SCENARIO_WITHOUT_CARD = 1, // it is added by what is done
	SCENARIO_WITH_LEASE = 2,   // answers[0], of `user`, labelled "desk", on V1
	SCENARIO_KEPT = 4,         // … which must be there afterwards
	SCENARIO_RESTART = 8,
	SCENARIO_LINGERS = 16, // such a lease
};

struct scenario {
	const char *name;
	/* May not insist on success. */
	void (*run)(struct rig *rig);
	unsigned flags;
	unsigned n_scanouts; // afterwards
};

extern const struct scenario scenarios[N_SCENARIOS];

/* A rig in the state in which it begins. */
struct rig *scenario_prepare(const struct scenario *scenario);
/* Withdraws what waits, and closes all leases. */
void scenario_close_all(struct rig *rig);

/*
 * When nothing fails any more: everybody is answered, the table is the kernel's list, what was to
 * be kept is kept, and all that there is can be leased.
 */
void assert_all_is_well(struct rig *rig, const struct scenario *scenario);

#endif
