/* Reading what is shown may hang behind a lessee's lock; the answer does not. */
#include "daemon/core/modes.h"
#include "rig.h"

#define CARD0 "/dev/dri/card0"
#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"

static void count(void *data) {
	unsigned *n = data;
	*n += 1;
}

static void modes_of_the_leased_are_read(void **state) {
	struct rig *rig = *state;
	unsigned n = 0;
	rig_get(rig, &user, V1);
	unsigned n_changed = rig->n_changed;
	modes_refresh(&rig->manager, count, &n);
	run_until(rig->event, n == 1);
	assert_int_equal(rig_scanout(rig, V1)->mode.width, 1920);
	assert_int_equal(rig_scanout(rig, V1)->mode.height, 1080);
	assert_int_equal(rig_scanout(rig, V1)->mode.refresh, 60000);
	assert_int_equal(rig_scanout(rig, V2)->mode.width, 0);
	assert_int_equal(fake_count(FAKE_READ_MODE), 1);
	assert_int_equal(rig->n_changed, n_changed + 1);
	/* The same again is no change. */
	modes_refresh(&rig->manager, count, &n);
	run_until(rig->event, n == 2);
	assert_int_equal(rig->n_changed, n_changed + 1);
	/* A free scanout shows nothing. */
	answer_close(&rig->answers[0]);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(rig_scanout(rig, V1)->mode.width, 0);
}

static void nothing_leased_is_answered_at_once(void **state) {
	struct rig *rig = *state;
	unsigned n = 0;
	modes_refresh(&rig->manager, count, &n);
	assert_int_equal(n, 1);
	assert_int_equal(fake_count(FAKE_READ_MODE), 0);
}

static void a_lock_does_not_hold_the_answer(void **state) {
	struct rig *rig = *state;
	unsigned first = 0, second = 0;
	rig_get(rig, &user, V1);
	fake_hold(FAKE_READ_MODE);
	modes_refresh(&rig->manager, count, &first);
	clock_pass(29999);
	run_pending(rig->event);
	assert_int_equal(first, 0); // it has its chance
	clock_pass(1);
	run_until(rig->event, first == 1);
	assert_int_equal(rig_scanout(rig, V1)->mode.width, 0); // the last known
	/* The next ones do not pile up behind it. */
	modes_refresh(&rig->manager, count, &second);
	assert_int_equal(second, 1);
	fake_release(FAKE_READ_MODE);
	run_until(rig->event, rig_scanout(rig, V1)->mode.width == 1920);
	assert_int_equal(first, 1); // answered once
	modes_refresh(&rig->manager, count, &second);
	run_until(rig->event, second == 2);
	assert_int_equal(fake_count(FAKE_READ_MODE), 2);
}

/* What was read belongs to a lease that has ended by now. */
static void an_old_lease_s_mode_is_not_the_next_one_s(void **state) {
	struct rig *rig = *state;
	unsigned n = 0;
	rig_get(rig, &user, V1);
	fake_hold(FAKE_READ_MODE);
	modes_refresh(&rig->manager, count, &n);
	run_until(rig->event, fake_waiting(FAKE_READ_MODE) == 1);
	answer_close(&rig->answers[0]);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_DRAINING);
	fake_release(FAKE_READ_MODE);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(n, 1);
	assert_int_equal(rig_scanout(rig, V1)->mode.width, 0);
}

static void the_card_goes_meanwhile(void **state) {
	struct rig *rig = *state;
	unsigned n = 0;
	rig_get(rig, &user, V1);
	fake_hold(FAKE_READ_MODE);
	modes_refresh(&rig->manager, count, &n);
	run_until(rig->event, fake_waiting(FAKE_READ_MODE) == 1);
	fake_card_remove(rig->card);
	run_until(rig->event, rig->n_removed == 4);
	clock_pass(30000);
	run_until(rig->event, n == 1);
	fake_release(FAKE_READ_MODE);
	run_until(rig->event, !fake_card_is_open(rig->card));
	assert_int_equal(n, 1);
}

static void failures_keep_the_last_known(void **state) {
	struct rig *rig = *state;
	unsigned n = 0;
	rig_get(rig, &user, V1);
	modes_refresh(&rig->manager, count, &n);
	run_until(rig->event, n == 1);
	fake_fail(FAKE_READ_MODE, 0, 1, -5);
	modes_refresh(&rig->manager, count, &n);
	run_until(rig->event, n == 2);
	assert_int_equal(rig_scanout(rig, V1)->mode.width, 1920);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(modes_of_the_leased_are_read),
		TEST(nothing_leased_is_answered_at_once),
		TEST(a_lock_does_not_hold_the_answer),
		TEST(an_old_lease_s_mode_is_not_the_next_one_s),
		TEST(the_card_goes_meanwhile),
		TEST(failures_keep_the_last_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
