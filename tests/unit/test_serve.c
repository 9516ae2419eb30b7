/* How requests that wait are served: once, before new ones, and without a look per request. */
#include "daemon/core/request.h"
#include "daemon/drain/linger.h"
#include "fake_event.h"
#include "fake_topology.h"
#include "rig.h"
#include "scanout/dbus_names.h"

#define V1 "card0-Virtual-1"
#define PATIENCE UINT64_C(60000000)

static void lease_all(struct rig *rig) {
	for (unsigned i = 0; i < 4; i++) {
		rig_get(rig, &root, NULL);
	}
}

static sd_event_source *bus;
static struct answer *newcomer;

/* A message that comes on the bus in the very turn in which the scanout becomes free. */
static int handle_message(sd_event_source *source, void *data) {
	newcomer = ask(data, &stranger, .scanout = V1);
	return 0;
}

static void on_changed(void *data, struct scanout *scanout) {
	if (scanout_state(scanout) == SCANOUT_FREE) {
		sd_event_source_set_enabled(bus, SD_EVENT_ONESHOT);
	}
}

static void a_new_request_does_not_overtake(void **state) {
	struct rig *rig = *state;
	struct manager_observer observer = *rig->manager.observer;
	observer.changed = on_changed;
	rig->manager.observer = &observer;
	assert_true(sd_event_add_defer(rig->event, &bus, handle_message, rig) >= 0);
	assert_true(sd_event_source_set_enabled(bus, SD_EVENT_OFF) >= 0);
	struct answer *held = rig_get(rig, &root, V1);
	struct answer *first = ask(rig, &user, .scanout = V1, .timeout_usec = PATIENCE);
	answer_close(held);
	run_until(rig->event, newcomer);
	assert_granted(first, V1);
	assert_refused(newcomer, SCANOUT_ERROR_BUSY);
	bus = sd_event_source_disable_unref(bus);
}

/* The kernel's list is read once, however many wait. */
static void one_look_for_all(void **state) {
	struct rig *rig = *state;
	struct answer *waiting[12];
	lease_all(rig);
	rig->manager.config.max_per_holder = 16;
	for (unsigned i = 0; i < 12; i++) {
		waiting[i] = ask(rig, &user, .timeout_usec = PATIENCE);
	}
	fake_set_quiet(true);
	unsigned listed = fake_count(FAKE_LIST);
	queue_wake(&rig->manager.queue);
	queue_wake(&rig->manager.queue);
	run_pending(rig->event);
	assert_int_equal(fake_count(FAKE_LIST), listed + 1);
	assert_int_equal(waiting[0]->n, 0);
}

/* Nobody waits: nothing is looked at. */
static void nobody_waits(void **state) {
	struct rig *rig = *state;
	unsigned listed = fake_count(FAKE_LIST);
	queue_wake(&rig->manager.queue);
	run_pending(rig->event);
	assert_int_equal(fake_count(FAKE_LIST), listed);
}

/* `desk` on V1, and nothing else is free. */
static void lease_desk(struct rig *rig) {
	assert_granted(ask(rig, &user, .label = "desk", .scanout = V1), V1);
	for (unsigned i = 0; i < 3; i++) {
		rig_get(rig, &root, NULL);
	}
}

static struct answer *take_over(struct rig *rig) {
	return ask(rig, &user, .label = "desk", .takeover = true);
}

/* Whoever came first and takes any scanout does not get, or spoil, one that is claimed. */
static void a_claimed_picture_is_nobody_elses(void **state) {
	struct rig *rig = *state;
	lease_desk(rig);
	unsigned blanked = fake_count(FAKE_BLANK);
	struct answer *first = ask(rig, &stranger, .timeout_usec = PATIENCE);
	struct answer *now = take_over(rig);
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1);
	assert_int_equal(first->n, 0);
	assert_int_equal(fake_count(FAKE_BLANK), blanked);
}

/* The request goes in the moment in which the worker is through, before the queue is served. */
static void a_claim_is_abandoned(void **state) {
	struct rig *rig = *state;
	lease_desk(rig);
	struct scanout *scanout = rig_scanout(rig, V1);
	struct answer *now = take_over(rig);
	run_until(rig->event, scanout->phase == PHASE_SAVED);
	request_cancel(&rig->manager, now->waiter);
	assert_int_equal(scanout->phase, PHASE_LEASED);
	assert_null(scanout->claim);
	run_pending(rig->event);
	assert_int_equal(rig->n_ended, 0);

	now = take_over(rig);
	run_until(rig->event, scanout->phase == PHASE_STANDING);
	assert_ptr_equal(scanout->claim, &now->waiter->claim);
	request_cancel(&rig->manager, now->waiter);
	assert_int_equal(scanout->phase, PHASE_BLANKING);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_n_adopted(), 0);
}

/* Two at once: one after the other, and the second one takes over from the first. */
static void two_takeovers(void **state) {
	struct rig *rig = *state;
	lease_desk(rig);
	struct answer *first = take_over(rig), *second = take_over(rig);
	run_until(rig->event, second->n == 1);
	assert_granted(first, V1);
	assert_granted(second, V1);
	assert_true(second->generation > first->generation);
}

/* The first of two withdraws: the second one goes on where that was. */
static void the_first_of_two_takeovers_is_withdrawn(void **state) {
	struct rig *rig = *state;
	lease_desk(rig);
	fake_hold(FAKE_ADOPT);
	struct answer *first = take_over(rig), *second = take_over(rig);
	run_until(rig->event, fake_waiting(FAKE_ADOPT) == 1);
	request_cancel(&rig->manager, first->waiter);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, second->n == 1);
	assert_granted(second, V1);
}

/* It cannot have the picture that it waits for, and waits for something else: that one lingers. */
static void a_claim_that_cannot_be_used(void **state) {
	struct rig *rig = *state;
	struct scanout *scanout = rig_scanout(rig, V1);
	struct identity asker = spawn_asker(&user);
	assert_granted(
		ask(rig, &asker, .label = "desk", .scanout = V1, .linger_usec = PATIENCE), V1);
	fake_hold(FAKE_ADOPT);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	struct answer *now = ask(rig, &user, .label = "desk", .timeout_usec = PATIENCE);
	assert_ptr_equal(scanout->claim, &now->waiter->claim);
	/* The label is in use again, elsewhere. */
	assert_granted(ask(rig, &user, .label = "desk", .scanout = "card0-Virtual-2"), NULL);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, linger_is_on(scanout));
	assert_null(scanout->claim);
	assert_null(now->waiter->claim.scanout);
	end_asker(&asker);
}

/* It waits, without a timeout, for what becomes free at once, but that is claimed: when the claim
 * is served there is nothing left to wait for. */
static void nobody_waits_for_what_is_claimed(void **state) {
	struct card_snapshot topology = fake_topology_virtio(1);
	struct rig *rig = rig_new(true, NULL);
	rig->card = rig_add_card(rig, "/dev/dri/card0", &topology);
	rig_add_card(rig, "/dev/dri/card1", &topology);
	assert_granted(ask(rig, &user, .label = "desk", .scanout = V1), V1);
	struct answer *other = rig_get(rig, &root, NULL);
	fake_hold(FAKE_BLANK);
	assert_int_equal(rig_release(rig, &root, other->id), REFUSAL_NONE);
	struct answer *first = ask(rig, &stranger);
	assert_int_equal(first->n, 0);
	clock_pass(1000000);
	fake_hold_after(FAKE_ADOPT, 1);
	struct answer *now = take_over(rig);
	run_until(rig->event, fake_waiting(FAKE_ADOPT) == 1 && rig->n_ended == 2);
	clock_pass(1000000); // the blanking is overdue
	run_until(rig->event, rig_state(rig, other->id) == SCANOUT_STUCK);
	run_pending(rig->event);
	assert_int_equal(first->n, 0);
	fake_release(FAKE_ADOPT);
	run_until(rig->event, now->n == 1);
	assert_granted(now, V1);
	run_pending(rig->event);
	assert_refused(first, SCANOUT_ERROR_NO_FREE);
	rig_destroy(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_new_request_does_not_overtake),
		TEST(one_look_for_all),
		TEST(nobody_waits),
		TEST(a_claimed_picture_is_nobody_elses),
		TEST(a_claim_is_abandoned),
		TEST(two_takeovers),
		TEST(the_first_of_two_takeovers_is_withdrawn),
		TEST(a_claim_that_cannot_be_used),
		cmocka_unit_test(nobody_waits_for_what_is_claimed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
