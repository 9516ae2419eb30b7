/* A lease replaced by a new one of its holder: the picture stands, and nobody else gets it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/request.h"
#include "rig.h"
#include "scanout/dbus_names.h"

#define CARD0 "/dev/dri/card0"
#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"

static struct answer *take_over(struct rig *rig, const struct identity *who) {
	return ask(rig, who, .label = "desk", .takeover = true);
}

static struct answer *begin(struct rig *rig) {
	struct answer *old = ask(rig, &user, .label = "desk", .scanout = V1);
	assert_granted(old, V1);
	return old;
}

/* Same scanout, no blanking in between, another generation; the old one ends as `takeover`. */
static void the_picture_stands(void **state) {
	struct rig *rig = *state;
	struct answer *old = begin(rig);
	unsigned blanked = fake_count(FAKE_BLANK);
	struct answer *now = take_over(rig, &user);
	assert_int_equal(now->n, 0); // the worker looks first
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1);
	assert_true(now->generation > old->generation);
	assert_int_equal(fake_count(FAKE_BLANK), blanked);
	assert_int_equal(fake_count(FAKE_ADOPT), 3); // before the old one ended, and twice after
	assert_int_equal(rig->n_ended, 1);
	assert_int_equal(rig->last_reason, LEASE_TAKEOVER);
	assert_int_equal(fake_card_n_lessees(rig->card), 1);
	assert_int_equal(fake_n_adopted(), 1);
	answer_close(old); // its holder goes at last, which is nobody's loss
	run_pending(rig->event);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	answer_close(now);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_n_adopted(), 0);
}

static void without_an_old_lease_it_is_a_request(void **state) {
	struct rig *rig = *state;
	struct answer *a = take_over(rig, &user);
	assert_granted(a, NULL);
	assert_int_equal(fake_count(FAKE_ADOPT), 0);
}

/* Another holder's label is another label. */
static void a_stranger_takes_nothing_over(void **state) {
	struct rig *rig = *state;
	begin(rig);
	struct answer *a = take_over(rig, &container_a);
	assert_granted(a, V2);
	assert_int_equal(rig->n_ended, 0);
}

static void another_scanout_is_refused(void **state) {
	struct rig *rig = *state;
	begin(rig);
	struct answer *a = ask(rig, &user, .label = "desk", .scanout = V2, .takeover = true);
	assert_refused(a, SCANOUT_ERROR_BUSY);
	assert_int_equal(rig->n_ended, 0);
}

/* Nobody else gets it while it changes hands, and a request that is withdrawn leaves no picture. */
static void the_request_is_withdrawn(void **state) {
	struct rig *rig = *state;
	begin(rig);
	fake_hold_after(FAKE_ADOPT, 1);
	struct answer *now = take_over(rig, &user);
	run_until(rig->event, rig->n_ended == 1);
	run_until(rig->event, fake_waiting(FAKE_ADOPT) == 1);
	struct answer *other = ask(rig, &user, .scanout = V1, .timeout_usec = 60000000);
	assert_int_equal(other->n, 0);
	request_cancel(&rig->manager, now->waiter);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, other->n == 1);
	assert_granted(other, V1); // the fake counts who sees a picture that is not his
	assert_int_equal(fake_n_adopted(), 0);
}

/* Withdrawn before the old lease ended: that one goes on as if nothing had been. */
static void the_request_is_withdrawn_early(void **state) {
	struct rig *rig = *state;
	begin(rig);
	fake_hold(FAKE_ADOPT);
	struct answer *now = take_over(rig, &user);
	request_cancel(&rig->manager, now->waiter);
	run_until(rig->event, fake_waiting(FAKE_ADOPT) == 1);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, rig_scanout(rig, V1)->framebuffer != 0);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	assert_int_equal(rig->n_ended, 0);
	answer_close(&rig->answers[0]);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_n_adopted(), 0);
}

/* The worker cannot: the picture is lost, the takeover is not. */
static void a_failing_look(void **state) {
	struct rig *rig = *state;
	for (unsigned skip = 0; skip < 2; skip++) {
		struct answer *old = begin(rig);
		fake_fail(FAKE_ADOPT, skip, 1, -ENOENT);
		struct answer *now = take_over(rig, &user);
		run_until(rig->event, now->n == 1);
		assert_granted(now, V1);
		assert_int_equal(rig->last_reason, LEASE_TAKEOVER);
		answer_close(old);
		answer_close(now);
		run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
		assert_int_equal(fake_n_adopted(), 0);
	}
}

/* A lock makes the worker wait: after a bounded time the old lease ends all the same. */
static void a_wedged_look(void **state) {
	struct rig *rig = *state;
	begin(rig);
	fake_hold(FAKE_ADOPT);
	struct answer *now = take_over(rig, &user);
	run_pending(rig->event);
	assert_int_equal(rig->n_ended, 0);
	clock_pass(2000000);
	run_until(rig->event, rig->n_ended == 1);
	assert_int_equal(rig->last_reason, LEASE_TAKEOVER);
	assert_int_equal(rig_state(rig, V1), SCANOUT_DRAINING);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1);
}

static void the_card_goes_meanwhile(void **state) {
	struct rig *rig = *state;
	begin(rig);
	fake_hold(FAKE_ADOPT);
	struct answer *now = take_over(rig, &user);
	run_until(rig->event, fake_waiting(FAKE_ADOPT) == 1);
	fake_card_remove(rig->card);
	run_until(rig->event, now->n == 1);
	assert_refused(now, SCANOUT_ERROR_NO_FREE);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, !fake_card_is_open(rig->card));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(the_picture_stands),
		TEST(without_an_old_lease_it_is_a_request),
		TEST(a_stranger_takes_nothing_over),
		TEST(another_scanout_is_refused),
		TEST(the_request_is_withdrawn),
		TEST(the_request_is_withdrawn_early),
		TEST(a_failing_look),
		TEST(a_wedged_look),
		TEST(the_card_goes_meanwhile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
