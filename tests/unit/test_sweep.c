/*
 * Every call on the card fails once, with each errno that it can have, and every allocation, at
 * each step of what the daemon does. Whatever fails: what holds before and after is the same.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/names.h"
#include "inventory.h"
#include "modes.h"
#include "monitor.h"
#include "rig.h"
#include "starve.h"

#define CARD0 "/dev/dri/card0"
#define CARD1 "/dev/dri/card1"
#define V1 "card0-Virtual-1"
#define N 3u // scanouts of a card

#define SECOND UINT64_C(1000000)

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

static const int errors[] = {EIO, ENOMEM, EINTR, EINVAL, EACCES, EBUSY, ENOENT, EMFILE};

static pid_t asker; // of a lease that lingers

/* What is done while something fails. Nothing here may insist on success. */

static void start(struct rig *rig) {
	/* By systemd, again, if it ends for it. */
	for (int i = 0; i < 3 && inventory_add(&rig->manager, CARD0) < 0; i++) {
	}
}

static void grant(struct rig *rig) {
	ask(rig, &user, .label = "desk", .scanout = V1);
	ask(rig, &container_a, .spare = true);
}

static void closes(struct rig *rig) {
	answer_close(&rig->answers[0]);
}

static void release(struct rig *rig) {
	rig_release(rig, &user, V1);
}

static void take_back(struct rig *rig) {
	rig_release(rig, &root, V1);
}

static void take_over(struct rig *rig) {
	ask(rig, &user, .label = "desk", .takeover = true);
}

/* The holder's picture stays, until an admin sends it away. */
static void linger(struct rig *rig) {
	kill(asker, SIGKILL);
	wait_for_exit(asker);
	answer_close(&rig->answers[0]);
	rig_settle(rig);
	if (rig_release(rig, &root, V1) == REFUSAL_DEVICE_BUSY) {
		rig_release(rig, &root, V1); // as that says
	}
}

/* All are taken, one waits, one of them ends. */
static void wait_for_one(struct rig *rig) {
	for (unsigned i = 0; i < N; i++) {
		ask(rig, &root);
	}
	ask(rig, &container_a, .timeout_usec = 600 * SECOND);
	answer_close(&rig->answers[0]);
}

static void reload(struct rig *rig) {
	rig_reload(rig, "card0-Virtual-3");
	run_pending(rig->event);
	rig_reload(rig, NULL);
}

static void list(void *data) {
	*(bool *)data = true;
}

static void show(struct rig *rig) {
	bool answered = false;
	modes_refresh(&rig->manager, list, &answered);
	run_until(rig->event, answered);
}

static void hotplug(struct rig *rig) {
	fake_card_set_connected(rig->card, 2, false);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	rig_settle(rig);
	fake_card_set_connected(rig->card, 2, true);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
}

/* With its connector goes its lease. */
static void vanish(struct rig *rig) {
	fake_card_drop_connector(rig->card, 0);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
}

static void plug(struct rig *rig) {
	struct card_snapshot topology = fake_topology_virtio(N);
	topology.connectors[1].connected = false; // to be forced
	fake_card_add(CARD1, &topology);
	fake_send(CARD_EVENT_ADDED, CARD1);
}

static void lose_events(struct rig *rig) {
	struct card_snapshot topology = fake_topology_virtio(N);
	fake_card_add(CARD1, &topology);
	answer_close(&rig->answers[0]);
	fake_lose_events();
}

static void restart(struct rig *rig) {
	rig_restart(rig);
}

static void restart_nameless(struct rig *rig) {
	assert_int_equal(unlink(rig->manager.state.path), 0);
	rig_restart(rig);
}

enum {
	WITHOUT_CARD = 1, // it is added by what is done
	WITH_LEASE = 2,   // answers[0], of `user`, labelled "desk", on V1
	KEPT = 4,         // … which must be there afterwards
	RESTART = 8,
	LINGERS = 16, // such a lease
};

static const struct scenario {
	const char *name;
	void (*run)(struct rig *rig);
	unsigned flags;
	unsigned n_scanouts; // afterwards
} scenarios[] = {
	{"start", start, WITHOUT_CARD, N},
	{"grant", grant, 0, N},
	{"close", closes, WITH_LEASE, N},
	{"release", release, WITH_LEASE, N},
	{"revoke", take_back, WITH_LEASE, N},
	{"takeover", take_over, WITH_LEASE, N},
	{"linger", linger, LINGERS, N},
	{"queue", wait_for_one, 0, N},
	{"reload", reload, WITH_LEASE | KEPT, N},
	{"list", show, WITH_LEASE | KEPT, N},
	{"hotplug", hotplug, WITH_LEASE | KEPT, N},
	{"connector gone", vanish, WITH_LEASE, N - 1},
	{"card added", plug, WITH_LEASE | KEPT, 2 * N},
	{"events lost", lose_events, WITH_LEASE, 2 * N},
	{"restart", restart, WITH_LEASE | KEPT | RESTART, N},
	{"restart without names", restart_nameless, WITH_LEASE | KEPT | RESTART, N},
};

/* Whether the kernel can say so while nothing else is wrong. */
static bool is_possible(const struct scenario *scenario, enum fake_op op, int error) {
	if (op == FAKE_REVOKE && error == ENOENT) {
		return false; // then the lessee is gone: test_release has that
	}
	if ((op == FAKE_OPEN || op == FAKE_FIND_NODE) && (scenario->flags & RESTART)) {
		return error != ENOENT && error != EBUSY; // then the card is, or is another's
	}
	return true;
}

static struct rig *prepare(const struct scenario *scenario) {
	struct card_snapshot topology = fake_topology_virtio(N);
	struct rig *rig = rig_new(true, NULL);
	if (scenario->flags & WITHOUT_CARD) {
		topology.connectors[1].connected = false; // to be forced
		rig->card = fake_card_add(CARD0, &topology);
	} else {
		rig->card = rig_add_card(rig, CARD0, &topology);
	}
	if (scenario->flags & RESTART) {
		rig_keep_state(rig);
	}
	if (scenario->flags & WITH_LEASE) {
		assert_granted(ask(rig, &user, .label = "desk", .scanout = V1), V1);
	}
	if (scenario->flags & LINGERS) {
		struct identity identity = user;
		asker = identity.pid = fork();
		if (asker == 0) {
			close_range(0, ~0U, 0); // no copy of a lease
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
		assert_granted(ask(rig, &identity, .label = "desk", .scanout = V1,
				       .linger_usec = 600 * SECOND),
			V1);
	}
	return rig;
}

/* The table and the kernel say the same. */
static void assert_table_is_right(struct rig *rig) {
	uint32_t lessees[CARD_MAX_OBJECTS];
	const struct card *card;
	const struct lease *lease;
	TAILQ_FOREACH (card, &rig->manager.cards, link) {
		int n = card->ops->list_lessees(card->fd, lessees, CARD_MAX_OBJECTS), known = 0;
		assert_true(n >= 0);
		TAILQ_FOREACH (lease, &rig->manager.leases.leases, link) {
			bool listed = lease->lessee == 0; // nameless
			for (int i = 0; i < n; i++) {
				listed |= lessees[i] == lease->lessee;
			}
			if (lease->scanout->card == card) {
				assert_true(listed);
				known++;
			}
		}
		assert_int_equal(known, n);
	}
}

/* Nobody is left waiting, and who is refused is told by name. */
static void assert_all_are_answered(struct rig *rig) {
	for (unsigned i = 0; i < rig->n_answers; i++) {
		const struct answer *answer = &rig->answers[i];
		assert_int_equal(answer->n, 1);
		if (answer->code != REFUSAL_NONE) {
			assert_refused(answer, refusal_error_name(answer->code));
			assert_true(answer->code == REFUSAL_DEVICE_BUSY ||
				    answer->code == REFUSAL_DEVICE_GONE ||
				    answer->code == REFUSAL_BUSY ||
				    answer->code == REFUSAL_NO_FREE);
		}
	}
}

static void close_all(struct rig *rig) {
	for (unsigned i = 0; i < rig->n_answers; i++) {
		struct answer *answer = &rig->answers[i];
		if (answer->n == 0) {
			manager_cancel(&rig->manager, answer->waiter);
		}
		answer_close(answer);
	}
	rig->n_answers = 0;
}

/* All that there is can be had. */
static void assert_all_can_be_leased(struct rig *rig, unsigned n_scanouts) {
	close_all(rig);
	rig_settle(rig);
	unsigned total, n_free;
	manager_count(&rig->manager, &total, &n_free);
	assert_true(TAILQ_EMPTY(&rig->manager.leases.leases));
	assert_int_equal(n_free, n_scanouts);
	for (unsigned i = 0; i < n_scanouts; i++) {
		rig_get(rig, &root, NULL);
	}
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	close_all(rig);
	rig_settle(rig);
	assert_int_equal(fake_n_adopted(), 0);
}

static void assert_all_is_well(struct rig *rig, const struct scenario *scenario) {
	assert_all_are_answered(rig);
	assert_table_is_right(rig);
	if (scenario->flags & KEPT) {
		assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
		assert_int_equal(rig->n_ended, 0);
	}
	assert_all_can_be_leased(rig, scenario->n_scanouts);
}

static void run(const struct scenario *scenario, enum fake_op op, unsigned skip, int error) {
	struct rig *rig = prepare(scenario);
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
	struct rig *rig = prepare(scenario);
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
	struct rig *rig = prepare(scenario);
	for (enum fake_op op = 0; op < FAKE_N_OPS; op++) {
		ret[op] = fake_count(op);
	}
	scenario->run(rig);
	rig_settle(rig);
	for (enum fake_op op = 0; op < FAKE_N_OPS; op++) {
		ret[op] = fake_count(op) - ret[op];
	}
	close_all(rig);
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
	run_until(rig->event, fake_count(FAKE_BLANK) > n && rig_scanout(rig, V1)->unblanked);
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
