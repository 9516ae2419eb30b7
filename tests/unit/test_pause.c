/* Another session has the card: leases are kept, and what is left is done when it is back. */
#include <errno.h>
#include <string.h>

#include "daemon/core/pause.h"
#include "daemon/core/request.h"
#include "daemon/drain/linger.h"
#include "rig.h"
#include "scanout/dbus_names.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define LONG UINT64_C(3600000000)

/* The kernel takes mastership away before anybody hears of it. */
static void begin(struct rig *rig) {
	fake_set_master(false);
	pause_begin(&rig->manager);
}

static void end(struct rig *rig) {
	fake_set_master(true);
	pause_end(&rig->manager);
}

static void leases_are_kept(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	begin(rig);
	assert_int_equal(rig->n_paused, 1);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	struct refusal refusal;
	assert_int_equal(request_release(&rig->manager, &user, V1, &refusal), REFUSAL_DEVICE_BUSY);
	assert_non_null(strstr(refusal.message, "The seat is disabled"));
	end(rig);
	assert_int_equal(rig->n_paused, 2);
	assert_int_equal(rig->n_ended, 0);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
}

static void requests_wait_or_are_refused(void **state) {
	struct rig *rig = *state;
	begin(rig);
	assert_refused(ask(rig, &root), SCANOUT_ERROR_DEVICE_BUSY);
	struct answer *patient = ask(rig, &root, .timeout_usec = LONG);
	struct answer *impatient = ask(rig, &root, .timeout_usec = 50000);
	clock_pass(50000);
	run_until(rig->event, impatient->n == 1);
	assert_refused(impatient, SCANOUT_ERROR_TIMEOUT);
	assert_int_equal(patient->n, 0);
	assert_int_equal(fake_card_n_lessees(rig->card), 0);
	end(rig);
	run_until(rig->event, patient->n == 1);
	assert_granted(patient, NULL);
}

/* Nothing is blanked that would serve it by the way. */
static void a_takeover_waits(void **state) {
	struct rig *rig = *state;
	ask(rig, &root, .label = "desk", .scanout = V1);
	for (unsigned i = 0; i < 3; i++) {
		rig_get(rig, &root, NULL);
	}
	begin(rig);
	struct answer *now =
		ask(rig, &root, .label = "desk", .takeover = true, .timeout_usec = LONG);
	run_pending(rig->event);
	assert_int_equal(now->n, 0);
	end(rig);
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1);
}

/* The other session may have drawn on them. */
static void what_was_free_is_blanked_again(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	unsigned blanked = fake_count(FAKE_BLANK);
	begin(rig);
	end(rig);
	assert_int_equal(rig_state(rig, V2), SCANOUT_DRAINING);
	run_until(rig->event,
		rig_state(rig, V2) == SCANOUT_FREE && fake_count(FAKE_BLANK) == blanked + 3);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
}

static void a_holder_dies_meanwhile(void **state) {
	struct rig *rig = *state;
	struct answer *held = rig_get(rig, &user, V1);
	begin(rig);
	unsigned listed = fake_count(FAKE_LIST);
	answer_close(held);
	fake_send(CARD_EVENT_LEASE, "/dev/dri/card0");
	run_pending(rig->event);
	assert_int_equal(fake_count(FAKE_LIST), listed); // nobody would answer
	assert_int_equal(rig->n_ended, 0);
	end(rig);
	assert_int_equal(rig->last_reason, LEASE_CLOSED);
	run_until(rig->event, rig_all_free(rig));
}

/* Blanking comes too late: it waits, without trying again and again. */
static void blanking_waits(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	fake_hold(FAKE_BLANK);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	run_until(rig->event, fake_waiting(FAKE_BLANK) == 1);
	begin(rig);
	fake_release(FAKE_BLANK);
	run_until(rig->event, rig_scanout(rig, V1)->phase == PHASE_HELD);
	assert_int_equal(rig_state(rig, V1), SCANOUT_DRAINING);
	assert_non_null(strstr(rig_scanout(rig, V1)->reason, "when the seat is back"));
	assert_int_not_equal(rig_scanout(rig, V1)->phase, PHASE_FAILED);
	end(rig);
	run_until(rig->event, rig_all_free(rig));
}

/* A lease whose picture is to linger, in a process of its own. */
static struct answer *begin_linger(struct rig *rig, struct identity *asker) {
	*asker = spawn_asker(&user);
	struct answer *held = ask(rig, asker, .scanout = V1, .linger_usec = LONG);
	assert_granted(held, V1);
	return held;
}

/* What is on the head afterwards may be the other session's picture. */
static void nothing_lingers_through_it(void **state) {
	struct rig *rig = *state;
	struct identity asker;
	answer_close(begin_linger(rig, &asker));
	begin(rig);
	end_asker(&asker);
	run_pending(rig->event);
	assert_int_equal(fake_count(FAKE_ADOPT), 0);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	end(rig);
	run_until(rig->event, rig_all_free(rig));

	answer_close(begin_linger(rig, &asker));
	end_asker(&asker);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	begin(rig);
	assert_true(linger_is_on(rig_scanout(rig, V1)));
	end(rig);
	run_until(rig->event, rig_all_free(rig));
}

/* Its holder goes on, and draws again: then it is the holder's picture. */
static void a_lease_still_lingers_after_it(void **state) {
	struct rig *rig = *state;
	struct identity asker;
	answer_close(begin_linger(rig, &asker));
	begin(rig);
	end(rig);
	end_asker(&asker);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
}

/* Time passes in the pause: blanking would be in vain. */
static void its_time_is_over_meanwhile(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	answer_close(ask(rig, &asker, .scanout = V1, .linger_usec = 50000));
	end_asker(&asker);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	begin(rig);
	unsigned blanked = fake_count(FAKE_BLANK);
	clock_pass(50000);
	run_until(rig->event, rig_scanout(rig, V1)->phase == PHASE_HELD);
	run_pending(rig->event);
	assert_int_equal(fake_count(FAKE_BLANK), blanked);
	end(rig);
	run_until(rig->event, rig_all_free(rig));
}

static void hotplug_is_looked_at_later(void **state) {
	struct rig *rig = *state;
	begin(rig);
	unsigned looks = fake_count(FAKE_SNAPSHOT);
	fake_send(CARD_EVENT_HOTPLUG, "/dev/dri/card0");
	run_pending(rig->event);
	assert_int_equal(fake_count(FAKE_SNAPSHOT), looks);
	end(rig);
	run_until(rig->event, fake_count(FAKE_SNAPSHOT) > looks);
	run_until(rig->event, rig_all_free(rig));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(leases_are_kept),
		TEST(requests_wait_or_are_refused),
		TEST(a_takeover_waits),
		TEST(what_was_free_is_blanked_again),
		TEST(a_holder_dies_meanwhile),
		TEST(blanking_waits),
		TEST(nothing_lingers_through_it),
		TEST(a_lease_still_lingers_after_it),
		TEST(its_time_is_over_meanwhile),
		TEST(hotplug_is_looked_at_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
