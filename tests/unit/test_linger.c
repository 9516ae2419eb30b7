/* The last picture stays for a while: how it is kept, who may have it, and when it goes. */
#include <errno.h>
#include <string.h>

#include "daemon/core/request.h"
#include "daemon/drain/linger.h"
#include "rig.h"
#include "scanout/dbus_names.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define LONG UINT64_C(3600000000)
#define LATE UINT64_C(2000000) // when a look is overdue

static struct answer *begin(struct rig *rig, const struct identity *asker, uint64_t linger) {
	struct answer *answer =
		ask(rig, asker, .label = "desk", .scanout = V1, .linger_usec = linger);
	assert_granted(answer, V1);
	assert_int_equal(linger_usec(rig_scanout(rig, V1)), linger);
	return answer;
}

/* A lease whose holder was killed, and whose picture lingers. */
static void begin_lingering(struct rig *rig, const struct identity *as, uint64_t linger) {
	struct identity asker = spawn_asker(as);
	answer_close(begin(rig, &asker, linger));
	end_asker(&asker);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	assert_int_equal(rig_state(rig, V1), SCANOUT_DRAINING);
	assert_int_equal(rig->last_reason, LEASE_CLOSED);
	assert_int_equal(fake_n_adopted(), 1);
}

static void a_killed_holder(void **state) {
	struct rig *rig = *state;
	unsigned blanked = fake_count(FAKE_BLANK);
	begin_lingering(rig, &user, 200000);
	assert_non_null(strstr(rig_scanout(rig, V1)->reason, "lingers for 0.2 s"));
	clock_pass(100000);
	run_pending(rig->event);
	assert_true(linger_is_on(rig_scanout(rig, V1)));
	assert_int_equal(fake_count(FAKE_BLANK), blanked);
	clock_pass(100000);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_count(FAKE_BLANK), blanked + 1);
	assert_int_equal(fake_n_adopted(), 0);
	assert_int_equal(linger_usec(rig_scanout(rig, V1)), 0);
}

/* Our copy keeps the lease while the process that asked lives; the file's close shows then. */
static void the_file_is_closed_before(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	answer_close(begin(rig, &asker, 100000));
	run_pending(rig->event);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	end_asker(&asker);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	assert_int_equal(rig->last_reason, LEASE_CLOSED);
	clock_pass(100000);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
}

/* The process that asked has handed the file on: the lease is another's now, and goes on. */
static void the_file_is_handed_on(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	struct answer *held = begin(rig, &asker, 100000);
	end_asker(&asker);
	run_until(rig->event, fake_count(FAKE_ADOPT) == 2 && !rig_scanout(rig, V1)->look);
	assert_int_equal(linger_usec(rig_scanout(rig, V1)), 0); // and that is told
	fake_send(CARD_EVENT_LEASE, "/dev/dri/card0");          // look at the list
	run_pending(rig->event);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	assert_int_equal(rig->n_ended, 0);
	answer_close(held);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1))); // what was shown then
	clock_pass(100000);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_n_adopted(), 0);
}

/* By ReleaseScanout, while the holder keeps its file. */
static void a_released_lease(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	struct answer *held = begin(rig, &asker, 100000);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	assert_int_equal(rig->last_reason, LEASE_RELEASED);
	clock_pass(100000);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	answer_close(held);
	end_asker(&asker);
}

static void its_holder_gets_it_with_the_picture(void **state) {
	struct rig *rig = *state;
	begin_lingering(rig, &user, LONG);
	unsigned blanked = fake_count(FAKE_BLANK);
	struct answer *now = ask(rig, &user, .label = "desk");
	assert_granted(now, V1);
	assert_int_equal(fake_count(FAKE_BLANK), blanked);
	assert_int_equal(linger_usec(rig_scanout(rig, V1)), 0); // it did not ask again
	answer_close(now);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_n_adopted(), 0);
}

/* It asks before the worker is through: it waits for that, and no longer. */
static void its_holder_asks_at_once(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	struct answer *held = begin(rig, &asker, LONG);
	unsigned blanked = fake_count(FAKE_BLANK);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	struct answer *now = ask(rig, &user, .label = "desk");
	assert_int_equal(now->n, 0);
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1);
	assert_int_equal(fake_count(FAKE_BLANK), blanked);
	answer_close(held);
	end_asker(&asker);
}

/* The label alone is not enough: another holder gets the place, but not the picture. */
static void another_holder_of_the_label(void **state) {
	struct rig *rig = *state;
	begin_lingering(rig, &user, LONG);
	struct answer *now = ask(rig, &container_a, .label = "desk");
	assert_int_equal(now->n, 0);
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1); // the fake counts who sees a picture that is not his
	assert_int_equal(fake_n_adopted(), 0);
}

/* Others get others, and cut it short when there is no other. */
static void it_stands_in_nobodys_way(void **state) {
	struct rig *rig = *state;
	begin_lingering(rig, &user, LONG);
	for (unsigned i = 0; i < 3; i++) {
		assert_string_not_equal(rig_get(rig, &container_a, NULL)->id, V1);
	}
	assert_true(linger_is_on(rig_scanout(rig, V1)));
	struct answer *last = ask(rig, &container_b);
	run_until(rig->event, last->n == 1);
	assert_granted(last, V1);
}

/* One that is being blanked anyway is waited for first. */
static void it_is_not_cut_in_vain(void **state) {
	struct rig *rig = *state;
	begin_lingering(rig, &user, LONG);
	struct answer *others[3];
	for (unsigned i = 0; i < 3; i++) {
		others[i] = rig_get(rig, &container_a, NULL);
	}
	answer_close(others[1]);
	struct answer *last = ask(rig, &container_b);
	run_until(rig->event, last->n == 1);
	assert_string_equal(last->id, others[1]->id);
	assert_true(linger_is_on(rig_scanout(rig, V1)));
}

static void who_names_it_gets_it(void **state) {
	struct rig *rig = *state;
	begin_lingering(rig, &user, LONG);
	struct answer *other = ask(rig, &user, .label = "desk", .scanout = V2);
	assert_granted(other, V2); // the picture is on V1
	struct answer *now = ask(rig, &stranger, .scanout = V1);
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1);
}

static void a_release_cuts_it(void **state) {
	struct rig *rig = *state;
	begin_lingering(rig, &user, LONG);
	assert_int_equal(rig_release(rig, &stranger, V1), REFUSAL_NOT_HOLDER);
	assert_int_equal(rig_release(rig, &user, V1 "#999"), REFUSAL_BUSY);
	assert_true(linger_is_on(rig_scanout(rig, V1)));
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
}

static void the_stop_cuts_it(void **state) {
	struct rig *rig = *state;
	begin_lingering(rig, &user, LONG);
	struct identity asker = spawn_asker(&user);
	ask(rig, &asker, .scanout = V2, .linger_usec = LONG);
	request_release_all(&rig->manager);
	run_until(rig->event, !manager_is_draining(&rig->manager));
	assert_int_equal(rig_state(rig, V1), SCANOUT_FREE);
	assert_int_equal(rig_state(rig, V2), SCANOUT_FREE);
	end_asker(&asker);
}

static void too_long_is_refused(void **state) {
	struct rig *rig = *state;
	struct answer *answer = ask(rig, &root, .linger_usec = LONG + 1);
	assert_refused(answer, SCANOUT_ERROR_INVALID_OPTION);
	assert_non_null(strstr(answer->message, "at most 3600000000"));
	assert_true(rig_all_free(rig));
}

/* A process that is gone before it has the lease cannot be watched: no lease. */
static void the_asker_is_gone(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	end_asker(&asker);
	struct answer *answer = ask(rig, &asker, .linger_usec = LONG);
	assert_refused(answer, SCANOUT_ERROR_DEVICE_BUSY);
	run_pending(rig->event);
	assert_int_equal(fake_card_n_lessees(rig->card), 0);
	assert_true(rig_all_free(rig));
}

/* No picture, no lingering: when the process that asked is gone, or when the lease has ended. */
static void nothing_is_shown(void **state) {
	struct rig *rig = *state;
	for (unsigned skip = 0; skip <= 2; skip += 2) {
		struct identity asker = spawn_asker(&user);
		answer_close(begin(rig, &asker, LONG));
		fake_fail(FAKE_ADOPT, skip, 1, -ENOENT);
		end_asker(&asker);
		run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
		assert_int_equal(fake_n_adopted(), 0);
	}
}

/* A lock makes the worker wait: the picture is lost, the scanout is not. */
static void a_wedged_look(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	struct answer *held = begin(rig, &asker, LONG);
	fake_hold(FAKE_ADOPT);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	clock_pass(LATE);
	run_until(rig->event, rig_scanout(rig, V1)->late_look);
	clock_pass(LATE); // and the blanking behind it
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_STUCK);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	answer_close(held);
	end_asker(&asker);
}

/* A look that nobody waits for any more adopts the picture after all: no other look begins beside
 * it, and what it adopted is dropped. */
static void a_late_look(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	struct answer *held = begin(rig, &asker, LONG);
	fake_hold(FAKE_ADOPT);
	end_asker(&asker);
	run_until(rig->event, fake_waiting(FAKE_ADOPT) == 1);
	clock_pass(LATE);
	run_until(rig->event, rig_scanout(rig, V1)->late_look);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_false(rig_scanout(rig, V1)->late_look);
	answer_close(held);
	asker = spawn_asker(&user);
	answer_close(begin(rig, &asker, 100000));
	end_asker(&asker);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	clock_pass(100000);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_n_adopted(), 0);
}

/* A lease of the asker alone, and a takeover of it that waits for its look. */
static struct answer *begin_takeover(struct rig *rig, struct identity *ret_asker) {
	*ret_asker = spawn_asker(&user);
	answer_close(begin(rig, ret_asker, LONG));
	fake_hold(FAKE_ADOPT);
	struct answer *now = ask(rig, &user, .label = "desk", .takeover = true);
	run_until(rig->event, fake_waiting(FAKE_ADOPT) == 1);
	return now;
}

/* The asker goes while a takeover's look is late: its copy of the lease waits for the worker, since
 * the last close may block. */
static void the_asker_goes_during_a_late_look(void **state) {
	struct rig *rig = *state;
	struct identity asker;
	struct answer *now = begin_takeover(rig, &asker);
	request_cancel(&rig->manager, now->waiter);
	clock_pass(LATE);
	run_until(rig->event, rig_scanout(rig, V1)->late_look);
	end_asker(&asker);
	run_until(rig->event, linger_is_due(rig_scanout(rig, V1)));
	run_pending(rig->event);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	assert_int_equal(fake_n_adopted(), 1);
}

/* The old lease is taken over: it is the new one's word that counts. */
static void a_takeover(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	struct answer *old = begin(rig, &asker, LONG);
	end_asker(&asker); // at the same time
	struct answer *now = ask(rig, &user, .label = "desk", .takeover = true);
	answer_close(old);
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1);
	assert_int_equal(linger_usec(rig_scanout(rig, V1)), 0);
	answer_close(now);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_n_adopted(), 0);
}

/* A takeover that came to nothing: the holder's end is heard all the same. */
static void a_takeover_is_withdrawn(void **state) {
	struct rig *rig = *state;
	struct identity asker;
	struct answer *now = begin_takeover(rig, &asker);
	end_asker(&asker);
	run_pending(rig->event);
	request_cancel(&rig->manager, now->waiter);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
	assert_int_equal(rig->last_reason, LEASE_CLOSED);
}

static void the_card_goes(void **state) {
	struct rig *rig = *state;
	struct identity asker = spawn_asker(&user);
	begin_lingering(rig, &user, LONG);
	ask(rig, &asker, .scanout = V2, .linger_usec = LONG);
	fake_card_remove(rig->card);
	run_until(rig->event, !fake_card_is_open(rig->card));
	end_asker(&asker);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_killed_holder),
		TEST(the_file_is_closed_before),
		TEST(the_file_is_handed_on),
		TEST(a_released_lease),
		TEST(its_holder_gets_it_with_the_picture),
		TEST(its_holder_asks_at_once),
		TEST(another_holder_of_the_label),
		TEST(it_stands_in_nobodys_way),
		TEST(it_is_not_cut_in_vain),
		TEST(who_names_it_gets_it),
		TEST(a_release_cuts_it),
		TEST(the_stop_cuts_it),
		TEST(too_long_is_refused),
		TEST(the_asker_is_gone),
		TEST(nothing_is_shown),
		TEST(a_wedged_look),
		TEST(a_late_look),
		TEST(the_asker_goes_during_a_late_look),
		TEST(a_takeover),
		TEST(a_takeover_is_withdrawn),
		TEST(the_card_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
