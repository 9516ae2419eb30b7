#include "scenario.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/core/inventory.h"
#include "daemon/core/modes.h"
#include "daemon/core/request.h"
#include "scanout/dbus_names.h"

#define CARD0 "/dev/dri/card0"
#define CARD1 "/dev/dri/card1"
#define V1 "card0-Virtual-1"
#define N 3u // scanouts of a card

#define SECOND UINT64_C(1000000)

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

const struct scenario scenarios[N_SCENARIOS] = {
	{"start", start, SCENARIO_WITHOUT_CARD, N},
	{"grant", grant, 0, N},
	{"close", closes, SCENARIO_WITH_LEASE, N},
	{"release", release, SCENARIO_WITH_LEASE, N},
	{"revoke", take_back, SCENARIO_WITH_LEASE, N},
	{"takeover", take_over, SCENARIO_WITH_LEASE, N},
	{"linger", linger, SCENARIO_LINGERS, N},
	{"queue", wait_for_one, 0, N},
	{"reload", reload, SCENARIO_WITH_LEASE | SCENARIO_KEPT, N},
	{"list", show, SCENARIO_WITH_LEASE | SCENARIO_KEPT, N},
	{"hotplug", hotplug, SCENARIO_WITH_LEASE | SCENARIO_KEPT, N},
	{"connector gone", vanish, SCENARIO_WITH_LEASE, N - 1},
	{"card added", plug, SCENARIO_WITH_LEASE | SCENARIO_KEPT, 2 * N},
	{"events lost", lose_events, SCENARIO_WITH_LEASE, 2 * N},
	{"restart", restart, SCENARIO_WITH_LEASE | SCENARIO_KEPT | SCENARIO_RESTART, N},
	{"restart without names", restart_nameless,
		SCENARIO_WITH_LEASE | SCENARIO_KEPT | SCENARIO_RESTART, N},
};

struct rig *scenario_prepare(const struct scenario *scenario) {
	struct card_snapshot topology = fake_topology_virtio(N);
	struct rig *rig = rig_new(true, NULL);
	if (scenario->flags & SCENARIO_WITHOUT_CARD) {
		topology.connectors[1].connected = false; // to be forced
		rig->card = fake_card_add(CARD0, &topology);
	} else {
		rig->card = rig_add_card(rig, CARD0, &topology);
	}
	if (scenario->flags & SCENARIO_RESTART) {
		rig_keep_state(rig);
	}
	if (scenario->flags & SCENARIO_WITH_LEASE) {
		assert_granted(ask(rig, &user, .label = "desk", .scanout = V1), V1);
	}
	if (scenario->flags & SCENARIO_LINGERS) {
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

void scenario_close_all(struct rig *rig) {
	for (unsigned i = 0; i < rig->n_answers; i++) {
		struct answer *answer = &rig->answers[i];
		if (answer->n == 0) {
			request_cancel(&rig->manager, answer->waiter);
		}
		answer_close(answer);
	}
	rig->n_answers = 0;
}

/* All that there is can be had. */
static void assert_all_can_be_leased(struct rig *rig, unsigned n_scanouts) {
	scenario_close_all(rig);
	rig_settle(rig);
	unsigned total, n_free;
	manager_count(&rig->manager, &total, &n_free);
	assert_true(TAILQ_EMPTY(&rig->manager.leases.leases));
	assert_int_equal(n_free, n_scanouts);
	for (unsigned i = 0; i < n_scanouts; i++) {
		rig_get(rig, &root, NULL);
	}
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	scenario_close_all(rig);
	rig_settle(rig);
	assert_int_equal(fake_n_adopted(), 0);
}

void assert_all_is_well(struct rig *rig, const struct scenario *scenario) {
	assert_all_are_answered(rig);
	assert_table_is_right(rig);
	if (scenario->flags & SCENARIO_KEPT) {
		assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
		assert_int_equal(rig->n_ended, 0);
	}
	assert_all_can_be_leased(rig, scenario->n_scanouts);
}
