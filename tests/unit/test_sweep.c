/*
 * Every call on the card fails once, with each errno that it can have, and every allocation, at
 * each step of what the daemon does. Whatever fails: what holds before and after is the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/monitor.h"
#include "scanout/dbus_names.h"
#include "scenario.h"
#include "starve.h"

#define CARD0 "/dev/dri/card0"
#define CARD1 "/dev/dri/card1"
#define V1 "card0-Virtual-1"
#define N 3u // scanouts of a card

static const char *const names[FAKE_N_OPS] = {
	[FAKE_OPEN] = "open",
	[FAKE_SNAPSHOT] = "snapshot",
	[FAKE_FORCE_CONNECT] = "force_connect",
	[FAKE_BLANK] = "blank",
	[FAKE_ADOPT] = "adopt",
	[FAKE_READ_MODE] = "read_mode",
	[FAKE_CREATE] = "create_lease",
	[FAKE_REVOKE] = "revoke_lease",
	[FAKE_LIST] = "list_lessees",
	[FAKE_MONITOR] = "monitor",
	[FAKE_ENUMERATE] = "enumerate",
	[FAKE_FIND_NODE] = "find_node",
	[FAKE_READ_EVENT] = "read_event",
};

static const int errors[] = {EIO, ENOMEM, EINTR, EINVAL, EACCES, EBUSY, ENOENT, ENODEV, EMFILE};

/* Whether the kernel can say so while nothing else is wrong. */
static bool is_possible(const struct scenario *scenario, enum fake_op op, int error) {
	if (op == FAKE_REVOKE && error == ENOENT) {
		return false; // then the lessee is gone: test_release has that
	}
	if ((op == FAKE_OPEN || op == FAKE_FIND_NODE) && (scenario->flags & SCENARIO_RESTART)) {
		return error != ENOENT && error != ENODEV &&
		       error != EBUSY; // then the card is, or is another's
	}
	return true;
}

static void run(const struct scenario *scenario, enum fake_op op, unsigned skip, int error) {
	struct rig *rig = scenario_prepare(scenario);
	fake_fail(op, skip, 1, -error);
	scenario->run(rig);
	rig_settle(rig);
	fake_fail(op, 0, 0, 0);
	if (!retry_helps(-error)) {
		/* It is not tried again unless something changes. */
		fake_send(CARD_EVENT_HOTPLUG, CARD0);
		fake_send(CARD_EVENT_HOTPLUG, CARD1);
		fake_send(CARD_EVENT_LEASE, CARD0);
		rig_settle(rig);
	}
	assert_all_is_well(rig, scenario);
	rig_destroy(rig);
}

/* Returns whether there are so many allocations. */
static bool run_starving(const struct scenario *scenario, unsigned n) {
	struct rig *rig = scenario_prepare(scenario);
	starve(n);
	scenario->run(rig);
	rig_settle(rig);
	bool starved = starve_end();
	assert_all_is_well(rig, scenario);
	rig_destroy(rig);
	return starved;
}

/* How often the scenario makes each call if none fails. */
static void count(const struct scenario *scenario, unsigned ret[FAKE_N_OPS]) {
	struct rig *rig = scenario_prepare(scenario);
	for (enum fake_op op = 0; op < FAKE_N_OPS; op++) {
		ret[op] = fake_count(op);
	}
	scenario->run(rig);
	rig_settle(rig);
	for (enum fake_op op = 0; op < FAKE_N_OPS; op++) {
		ret[op] = fake_count(op) - ret[op];
	}
	scenario_close_all(rig);
	rig_destroy(rig);
}

static void every_call_with_every_errno(void **state) {
	unsigned n_calls[FAKE_N_OPS], n_runs = 0, seen[FAKE_N_OPS] = {0};
	for (size_t s = 0; s < N_ELEMENTS(scenarios); s++) {
		count(&scenarios[s], n_calls);
		for (enum fake_op op = 0; op < FAKE_N_OPS; op++) {
			seen[op] += n_calls[op];
			for (unsigned n = 0; n < n_calls[op]; n++) {
				for (size_t e = 0; e < N_ELEMENTS(errors); e++) {
					if (!is_possible(&scenarios[s], op, errors[e])) {
						continue;
					}
					/* Which one it is when an assertion fails. */
					if (getenv("SCANOUTD_TEST_LOG")) {
						fprintf(stderr, "%s: %s %u fails with %s\n",
							scenarios[s].name, names[op], n + 1,
							strerror(errors[e]));
					}
					run(&scenarios[s], op, n, errors[e]);
					n_runs++;
				}
			}
		}
	}
	for (enum fake_op op = 0; op < FAKE_N_OPS; op++) {
		if (seen[op] == 0) {
			fail_msg("Nothing calls %s", names[op]);
		}
	}
	assert_true(n_runs > 500);
}

static void every_allocation(void **state) {
	for (size_t s = 0; s < N_ELEMENTS(scenarios); s++) {
		unsigned n = 1;
		while (run_starving(&scenarios[s], n)) {
			n++;
			if (getenv("SCANOUTD_TEST_LOG")) {
				fprintf(stderr, "%s: allocation %u fails\n", scenarios[s].name, n);
			}
		}
	}
}

/* Not written for want of memory, the table is written with the next change, with all names. */
static void every_allocation_of_a_save(void **state) {
	bool starved = true;
	unsigned n_named = 0;
	for (unsigned n = 1; starved; n++) {
		struct card_snapshot topology = fake_topology_virtio(N);
		struct rig *rig = rig_with_card(&topology);
		rig_keep_state(rig);
		starve(n);
		struct answer *a = ask(rig, &user, .label = "desk", .scanout = V1);
		starved = starve_end();
		ask(rig, &container_a, .label = "other");
		rig_restart(rig);
		if (a->code == REFUSAL_NONE) {
			assert_string_equal(rig_scanout(rig, V1)->lease->label, "desk");
			n_named++;
		}
		rig_destroy(rig);
	}
	assert_true(n_named > 20); // most of it is the file's
}

/* What cannot be blanked is nobody's, says why and since when, and is free once it works. */
static void a_blanking_that_fails_is_tried_again(void **state) {
	struct rig *rig = *state;
	struct answer *a = rig_get(rig, &user, V1);
	fake_fail(FAKE_BLANK, 0, 2, -EIO);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_STUCK);
	assert_string_equal(rig_scanout(rig, V1)->reason, "blanking failed: Input/output error");
	uint64_t since = rig_scanout(rig, V1)->since;
	unsigned n = fake_count(FAKE_BLANK);
	sd_event_source_set_time_relative(rig->manager.retry.timer, 0);
	run_until(rig->event,
		fake_count(FAKE_BLANK) > n && rig_scanout(rig, V1)->phase == PHASE_FAILED);
	assert_int_equal(rig_scanout(rig, V1)->since, since); // it is stuck since then
	rig_settle(rig);
	assert_int_equal(rig_state(rig, V1), SCANOUT_FREE);
}

/* The same names, and nobody else's: whatever fails while the next daemon begins. */
static void a_restart_with_a_failing_call_keeps_the_leases(void **state) {
	static const enum fake_op ops[] = {
		FAKE_MONITOR, FAKE_FIND_NODE, FAKE_OPEN, FAKE_SNAPSHOT, FAKE_LIST, FAKE_BLANK};
	for (size_t i = 0; i < N_ELEMENTS(ops); i++) {
		struct card_snapshot topology = fake_topology_virtio(N);
		struct rig *rig = rig_with_card(&topology);
		rig_keep_state(rig);
		struct answer *a = ask(rig, &user, .label = "desk", .scanout = V1);
		assert_granted(a, V1);
		uint64_t since = rig_scanout(rig, V1)->since;
		fake_fail(ops[i], 0, 2, -ENOMEM);
		rig_restart(rig);
		const struct lease *lease = rig_scanout(rig, V1)->lease;
		assert_non_null(lease);
		assert_string_equal(lease->label, "desk");
		assert_int_equal(lease->lessee, a->lessee);
		assert_int_equal(lease->generation, a->generation);
		assert_int_equal(rig_scanout(rig, V1)->since, since);
		assert_int_equal(rig_release(rig, &stranger, V1), REFUSAL_NOT_HOLDER);
		assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
		rig_destroy(rig);
	}
}

/* The first daemon of the machine cannot hear events: that is an error, and nothing is left. */
static void a_monitor_that_fails(void **state) {
	struct rig *rig = *state;
	struct monitor *second = NULL;
	struct manager manager;
	struct config config = {0};
	manager_init(&manager, rig->event, &fake_card_ops, &config);
	fake_fail(FAKE_MONITOR, 0, 1, -EMFILE);
	assert_int_equal(monitor_new(&manager, &second), -EMFILE);
	assert_null(second);
	manager_finish(&manager);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_blanking_that_fails_is_tried_again),
		TEST(a_monitor_that_fails),
		cmocka_unit_test(a_restart_with_a_failing_call_keeps_the_leases),
		cmocka_unit_test(every_call_with_every_errno),
		cmocka_unit_test(every_allocation),
		cmocka_unit_test(every_allocation_of_a_save),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
