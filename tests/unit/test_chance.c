/* Anything in any order: requests, ends, withdrawals, locks, failures, pauses. What has to hold of
 * a scanout holds after each step, and in the end everything is free. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/pause.h"
#include "daemon/core/request.h"
#include "daemon/drain/linger.h"
#include "fake_event.h"
#include "fake_topology.h"
#include "scenario.h"

#define N 3u // scanouts
#define N_ASKERS 4
#define N_SEEDS 40
#define N_STEPS 250
#define SECOND UINT64_C(1000000)

struct play {
	struct rig *rig;
	unsigned seed;
	struct identity askers[N_ASKERS];
	bool alive[N_ASKERS];
	bool paused;
};

/* Always the same numbers for a seed. */
static unsigned chance(struct play *play, unsigned n) {
	play->seed = play->seed * 1103515245u + 12345u;
	return (play->seed >> 16) % n;
}

static const char *any_id(struct play *play) {
	static const char *const ids[N] = {"card0-Virtual-1", "card0-Virtual-2", "card0-Virtual-3"};
	return ids[chance(play, N)];
}

static struct answer *any_answer(struct play *play) {
	unsigned n = play->rig->n_answers;
	return n ? &play->rig->answers[chance(play, n)] : NULL;
}

static void ask_for_one(struct play *play) {
	static const char *const labels[] = {"", "desk", "tv"};
	unsigned who = chance(play, N_ASKERS);
	struct wish wish = {0};
	if (play->rig->n_answers == RIG_MAX_ANSWERS) {
		return;
	}
	strcpy(wish.label, labels[chance(play, 3)]);
	wish.takeover = wish.label[0] != '\0' && chance(play, 2);
	wish.timeout_usec = chance(play, 2) * 3 * SECOND;
	wish.linger_usec = play->alive[who] ? chance(play, 2) * 5 * SECOND : 0;
	if (chance(play, 3) == 0) {
		strcpy(wish.scanout, any_id(play));
	}
	rig_ask(play->rig, &play->askers[who], &wish);
}

static void withdraw(struct play *play) {
	struct answer *answer = any_answer(play);
	if (answer && answer->n == 0) {
		request_cancel(&play->rig->manager, answer->waiter);
		answer->n = 1;
		answer->code = REFUSAL_TIMEOUT;
	}
}

static void switch_seat(struct play *play) {
	play->paused = !play->paused;
	fake_set_master(!play->paused);
	if (play->paused) {
		pause_begin(&play->rig->manager);
	} else {
		pause_end(&play->rig->manager);
	}
}

/* None that is waiting: its request would fail when the lease is there already. */
static void kill_asker(struct play *play) {
	unsigned who = chance(play, N_ASKERS);
	if (play->alive[who] && TAILQ_EMPTY(&play->rig->manager.queue.waiters)) {
		end_asker(&play->askers[who]);
		play->alive[who] = false;
	}
}

static void hotplug(struct play *play) {
	fake_card_set_connected(play->rig->card, 2, chance(play, 2));
	fake_send(CARD_EVENT_HOTPLUG, "/dev/dri/card0");
}

static void turn(struct play *play, unsigned n) {
	while (n-- > 0) {
		assert_true(sd_event_run(play->rig->event, 0) >= 0);
	}
}

static void step(struct play *play) {
	struct answer *answer;
	switch (chance(play, 16)) {
	case 0:
		if ((answer = any_answer(play))) {
			answer_close(answer);
		}
		break;
	case 1:
		withdraw(play);
		break;
	case 2:
		rig_release(play->rig, &root, any_id(play));
		break;
	case 3:
		if (play->paused || chance(play, 3) == 0) {
			switch_seat(play);
		}
		break;
	case 4:
		fake_fail(chance(play, 2) ? FAKE_ADOPT : FAKE_BLANK, chance(play, 3), 1, -EIO);
		break;
	case 5:
		clock_pass(chance(play, 3) * SECOND);
		break;
	case 6:
		rig_reload(play->rig, chance(play, 2) ? "card0-Virtual-3" : NULL);
		break;
	case 7:
		kill_asker(play);
		break;
	case 8:
		hotplug(play);
		break;
	case 9:
		fake_hold(FAKE_ADOPT);
		break;
	case 10:
	case 11:
		fake_release(FAKE_ADOPT);
		turn(play, chance(play, 30));
		break;
	default:
		ask_for_one(play);
	}
	turn(play, chance(play, 4));
}

static void assert_scanouts_are_sound(struct rig *rig) {
	struct card *card;
	struct scanout *scanout;
	assert_int_equal(fake_n_seen(), 0);
	MANAGER_FOREACH_SCANOUT (&rig->manager, card, scanout) {
		assert_int_equal(scanout->lease != NULL, scanout_state(scanout) == SCANOUT_LEASED);
		if (scanout->claim) {
			assert_ptr_equal(scanout->claim->scanout, scanout);
		}
		if (scanout->phase == PHASE_SAVED || scanout->phase == PHASE_LOST) {
			assert_non_null(scanout->claim);
		}
		if (scanout->phase == PHASE_STANDING) {
			assert_true(scanout->claim || linger_is_on(scanout));
		}
	}
}

static void end_all(struct play *play) {
	struct rig *rig = play->rig;
	if (play->paused) {
		switch_seat(play);
	}
	fake_release(FAKE_ADOPT);
	fake_fail(FAKE_ADOPT, 0, 0, 0);
	fake_fail(FAKE_BLANK, 0, 0, 0); // what lingers is blanked when no more time passes
	rig_reload(rig, NULL);
	fake_card_set_connected(rig->card, 2, true);
	fake_send(CARD_EVENT_HOTPLUG, "/dev/dri/card0");
	scenario_close_all(rig);
	for (unsigned i = 0; i < N_ASKERS; i++) {
		if (play->alive[i]) {
			end_asker(&play->askers[i]);
		}
	}
	rig_settle(rig);
	clock_pass(5 * SECOND); // what lingers
	run_until(rig->event, rig_all_free(rig));
	assert_scanouts_are_sound(rig);
}

static void anything_in_any_order(void **state) {
	const struct identity *const holders[] = {&user, &container_a, &root};
	struct card_snapshot topology = fake_topology_virtio(N);
	for (unsigned seed = 1; seed <= N_SEEDS; seed++) {
		struct play play = {.rig = rig_with_card(&topology), .seed = seed};
		rig_keep_state(play.rig);
		for (unsigned i = 0; i < N_ASKERS; i++) {
			play.askers[i] = spawn_asker(holders[i % 3]);
			play.alive[i] = true;
		}
		for (unsigned i = 0; i < N_STEPS; i++) {
			step(&play);
			assert_scanouts_are_sound(play.rig);
		}
		end_all(&play);
		rig_destroy(play.rig);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anything_in_any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
