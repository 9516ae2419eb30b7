/* How a lease begins: who gets which scanout, who waits, who is refused with which name. */
#include "daemon/core/request.h"
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "scanout/dbus_names.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define V3 "card0-Virtual-3"
#define V4 "card0-Virtual-4"

#define SECOND UINT64_C(1000000)

static void lease_all(struct rig *rig) {
	rig_get(rig, &root, V1);
	rig_get(rig, &root, V2);
	rig_get(rig, &root, V3);
	rig_get(rig, &root, V4);
}

static void a_lease_from_begin_to_end(void **state) {
	struct rig *rig = *state;
	struct answer *a = rig_get(rig, &user, V2);
	assert_int_equal(a->objects.connector, FAKE_CONNECTOR(1));
	assert_int_equal(a->objects.crtc, FAKE_CRTC(1));
	assert_int_equal(a->objects.n_planes, 2);
	assert_int_equal(a->spare_fd, -1);
	assert_int_equal(rig->n_leased, 1);
	assert_int_equal(fcntl(a->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fake_card_n_lessees(rig->card), 1);
	assert_int_not_equal(fake_card_picture(rig->card, 1), 0);

	answer_close(a);
	run_until(rig->event, rig_all_free(rig));
	assert_int_equal(rig->n_ended, 1);
	assert_int_equal(rig->last_reason, LEASE_CLOSED);
	assert_string_equal(rig->last_ended, V2);
	assert_int_equal(fake_card_picture(rig->card, 1), 0);
	assert_int_equal(fake_count(FAKE_REVOKE), 0);
}

/* The kernel sees the holder's last close only if nobody else has a copy. */
static void a_copy_keeps_the_lease(void **state) {
	struct rig *rig = *state;
	struct answer *a = rig_get(rig, &user, V1);
	int copy = fcntl(a->fd, F_DUPFD_CLOEXEC, 3);
	answer_close(a);
	rig_get(rig, &user, V2); // reconciles
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	close(copy);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
}

static void everybody_gets_another_until_none_is_free(void **state) {
	struct rig *rig = *state;
	for (int i = 0; i < 4; i++) {
		struct answer *a = rig_get(rig, &root, NULL);
		for (int k = 0; k < i; k++) {
			assert_string_not_equal(a->id, rig->answers[k].id);
			assert_true(a->generation > rig->answers[k].generation);
		}
	}
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	assert_int_equal(fake_count(FAKE_CREATE), 4);
}

static void without_a_card(void **state) {
	struct rig *rig = rig_new(true, NULL);
	struct answer *a = ask(rig, &root);
	assert_refused(a, SCANOUT_ERROR_NO_FREE);
	assert_non_null(strstr(a->message, "There is no card with outputs yet"));
	assert_refused(ask(rig, &root, .scanout = V1), SCANOUT_ERROR_NO_SUCH);
	/* Who may wait gets the first card that comes. */
	a = ask(rig, &root, .timeout_usec = 60 * SECOND);
	assert_int_equal(a->n, 0);
	struct card_snapshot topology = fake_topology_virtio(1);
	rig_add_card(rig, "/dev/dri/card0", &topology);
	assert_granted(a, V1);
	rig_destroy(rig);
}

static void quota_counts_leases_and_waiters_of_a_holder(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	rig_get(rig, &user, V2);
	rig_get(rig, &user, V3);
	rig_get(rig, &user, V4);
	assert_refused(ask(rig, &user), SCANOUT_ERROR_QUOTA);
	/* Waiting does not help: it would be too many then. */
	assert_refused(ask(rig, &user, .timeout_usec = SECOND), SCANOUT_ERROR_QUOTA);
	for (int i = 0; i < 4; i++) {
		struct answer *a = ask(rig, &container_a, .timeout_usec = 60 * SECOND);
		assert_int_equal(a->n, 0);
	}
	assert_refused(ask(rig, &container_a, .timeout_usec = SECOND), SCANOUT_ERROR_QUOTA);
	assert_int_equal(ask(rig, &container_b, .timeout_usec = 60 * SECOND)->n, 0);
}

static void a_waiter_is_not_counted_twice(void **state) {
	struct rig *rig = *state;
	rig->manager.config.max_per_holder = 1;
	lease_all(rig);
	struct answer *a = ask(rig, &user, .timeout_usec = 60 * SECOND);
	answer_close(&rig->answers[2]);
	run_until(rig->event, a->n == 1);
	assert_granted(a, V3);
}

static void named_scanouts_say_why_not(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	assert_refused(ask(rig, &user, .scanout = V1), SCANOUT_ERROR_BUSY);
	assert_refused(ask(rig, &user, .scanout = "card1-Virtual-1"), SCANOUT_ERROR_NO_SUCH);
	assert_refused(ask(rig, &user, .scanout = "card0-Virtual-5"), SCANOUT_ERROR_NO_SUCH);
	assert_refused(ask(rig, &user, .scanout = "card0-Virtual"), SCANOUT_ERROR_NO_SUCH);
	rig_reload(rig, V2);
	assert_refused(ask(rig, &user, .scanout = V2), SCANOUT_ERROR_NOT_ALLOWED);
	/* Waiting is for what can change by itself. */
	assert_refused(
		ask(rig, &user, .scanout = V2, .timeout_usec = SECOND), SCANOUT_ERROR_NOT_ALLOWED);
	rig->manager.config.force_connect = false;
	fake_card_set_connected(rig->card, 2, false);
	fake_send(CARD_EVENT_HOTPLUG, "/dev/dri/card0");
	run_until(rig->event, rig_state(rig, V3) == SCANOUT_ABSENT);
	assert_refused(ask(rig, &user, .scanout = V3), SCANOUT_ERROR_NO_SUCH);
}

static void a_named_one_can_be_waited_for(void **state) {
	struct rig *rig = *state;
	struct answer *holder = rig_get(rig, &user, V1);
	struct answer *a = ask(rig, &container_a, .scanout = V1, .timeout_usec = 60 * SECOND);
	assert_int_equal(a->n, 0);
	answer_close(holder);
	run_until(rig->event, a->n == 1);
	assert_granted(a, V1);
}

static void a_label_gets_its_scanout_again(void **state) {
	struct rig *rig = *state;
	struct answer *a = ask(rig, &user, .label = "desk", .scanout = V3);
	assert_granted(a, V3);
	answer_close(a);
	run_until(rig->event, rig_all_free(rig));
	/* Others leave it alone as long as they can. */
	for (int i = 0; i < 3; i++) {
		assert_string_not_equal(rig_get(rig, &root, NULL)->id, V3);
	}
	assert_granted(ask(rig, &user, .label = "desk"), V3);
}

/* The desktop that restarts asks before its old scanout is blank: it waits those milliseconds,
 * although others are free and it gave no timeout. */
static void a_label_waits_for_its_draining_scanout(void **state) {
	struct rig *rig = *state;
	struct answer *old = ask(rig, &user, .label = "desk", .scanout = V2);
	fake_hold(FAKE_BLANK);
	answer_close(old);
	struct answer *a = ask(rig, &user, .label = "desk");
	assert_int_equal(rig_state(rig, V2), SCANOUT_DRAINING);
	assert_int_equal(a->n, 0);
	assert_granted(ask(rig, &stranger, .label = "other"), NULL);
	fake_release(FAKE_BLANK);
	run_until(rig->event, a->n == 1);
	assert_granted(a, V2);
}

/* But not for ever: when blanking hangs, it gets another one. */
static void a_label_does_not_wait_for_a_stuck_scanout(void **state) {
	struct rig *rig = *state;
	struct answer *old = ask(rig, &user, .label = "desk", .scanout = V2);
	fake_hold(FAKE_BLANK);
	answer_close(old);
	struct answer *a = ask(rig, &user, .label = "desk");
	assert_int_equal(a->n, 0);
	clock_pass(2 * SECOND);
	run_until(rig->event, a->n == 1);
	assert_int_equal(rig_state(rig, V2), SCANOUT_STUCK);
	assert_granted(a, NULL);
	assert_string_not_equal(a->id, V2);
}

static void without_a_timeout_a_draining_one_is_waited_for(void **state) {
	struct rig *rig = *state;
	lease_all(rig);
	fake_hold(FAKE_BLANK);
	answer_close(&rig->answers[1]);
	struct answer *a = ask(rig, &user), *named = ask(rig, &user, .scanout = V2);
	assert_int_equal(a->n + named->n, 0);
	fake_release(FAKE_BLANK);
	run_until(rig->event, a->n == 1);
	assert_granted(a, V2);
	/* The second in line learns at once that it got nothing. */
	assert_refused(named, SCANOUT_ERROR_BUSY);
}

static void one_label_holds_one_scanout(void **state) {
	struct rig *rig = *state;
	assert_granted(ask(rig, &user, .label = "desk"), NULL);
	assert_refused(ask(rig, &user, .label = "desk"), SCANOUT_ERROR_BUSY);
	assert_granted(ask(rig, &user, .label = "desk2"), NULL);
	/* Somebody else's label is somebody else's. */
	assert_granted(ask(rig, &container_a, .label = "desk"), NULL);
	answer_close(&rig->answers[0]);
	struct answer *a = ask(rig, &user, .label = "desk");
	run_until(rig->event, a->n == 1);
	assert_granted(a, rig->answers[0].id);
}

static void first_come_first_served(void **state) {
	struct rig *rig = *state;
	lease_all(rig);
	struct answer *first = ask(rig, &user, .timeout_usec = 60 * SECOND);
	struct answer *second = ask(rig, &container_a, .timeout_usec = 60 * SECOND);
	answer_close(&rig->answers[3]);
	/* Who comes now, without patience, does not overtake anybody. */
	struct answer *late = ask(rig, &stranger);
	run_until(rig->event, first->n == 1);
	assert_granted(first, V4);
	run_pending(rig->event);
	assert_int_equal(second->n, 0);
	assert_refused(late, SCANOUT_ERROR_NO_FREE);
	answer_close(&rig->answers[0]);
	run_until(rig->event, second->n == 1);
	assert_granted(second, V1);
}

static void timeout_fires(void **state) {
	struct rig *rig = *state;
	lease_all(rig);
	struct answer *a = ask(rig, &user, .timeout_usec = 20000);
	clock_pass(19999);
	run_pending(rig->event);
	assert_int_equal(a->n, 0);
	clock_pass(1);
	run_until(rig->event, a->n == 1);
	assert_refused(a, SCANOUT_ERROR_TIMEOUT);
	/* What comes free later is not for it. */
	answer_close(&rig->answers[0]);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
}

static void cancelled_requests_get_nothing(void **state) {
	struct rig *rig = *state;
	lease_all(rig);
	struct answer *a = ask(rig, &user, .timeout_usec = 20000);
	struct answer *next = ask(rig, &user, .timeout_usec = 60 * SECOND);
	request_cancel(&rig->manager, a->waiter);
	answer_close(&rig->answers[0]);
	run_until(rig->event, next->n == 1);
	assert_granted(next, V1);
	clock_pass(20000);
	run_pending(rig->event);
	assert_int_equal(a->n, 0);
}

static void create_fails(void **state) {
	static const struct {
		int error;
		const char *name;
	} failures[] = {
		{-ENODEV, SCANOUT_ERROR_DEVICE_GONE},
		{-ENOENT, SCANOUT_ERROR_DEVICE_GONE},
		{-EACCES, SCANOUT_ERROR_DEVICE_BUSY},
		{-EBUSY, SCANOUT_ERROR_DEVICE_BUSY},
		{-EINVAL, SCANOUT_ERROR_DEVICE_BUSY},
		{-ENOSPC, SCANOUT_ERROR_DEVICE_BUSY},
		{-ENOMEM, SCANOUT_ERROR_DEVICE_BUSY},
		{-EMFILE, SCANOUT_ERROR_DEVICE_BUSY},
	};
	struct rig *rig = *state;
	for (size_t i = 0; i < N_ELEMENTS(failures); i++) {
		fake_fail(FAKE_CREATE, 0, 1, failures[i].error);
		assert_refused(ask(rig, &user, .label = "desk"), failures[i].name);
		/* The spare was created already. */
		fake_fail(FAKE_CREATE, 1, 1, failures[i].error);
		assert_refused(ask(rig, &user, .spare = true), failures[i].name);
		assert_true(rig_all_free(rig));
	}
	assert_int_equal(rig->n_leased, 0);
	struct answer *a = ask(rig, &user, .label = "desk");
	assert_granted(a, NULL);
	assert_int_equal(a->lessee, 1); // the failed ones left no lessee behind
}

/* Without the kernel's list nothing is created or revoked: the ids could be anybody's. */
static void list_fails(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	fake_fail(FAKE_LIST, 0, 2, -EIO);
	assert_refused(ask(rig, &user), SCANOUT_ERROR_DEVICE_BUSY);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_DEVICE_BUSY);
	assert_int_equal(fake_count(FAKE_CREATE), 1);
	assert_int_equal(fake_count(FAKE_REVOKE), 0);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
}

static void a_spare_comes_along_and_is_no_lease(void **state) {
	struct rig *rig = *state;
	struct answer *a = ask(rig, &user, .spare = true);
	assert_granted(a, NULL);
	assert_true(a->spare_fd >= 0);
	assert_int_equal(fake_card_n_lessees(rig->card), 1);
	close(a->spare_fd);
	a->spare_fd = -1;
	run_pending(rig->event);
	assert_int_equal(rig_state(rig, a->id), SCANOUT_LEASED);
	answer_close(a);
	run_until(rig->event, rig_all_free(rig));
}

/* Four outputs, two CRTCs: free is not enough. */
static void no_crtc_is_left(void **state) {
	struct card_snapshot topology = fake_topology_floating_crtcs(4, 2);
	struct rig *rig = rig_with_card(&topology);
	rig_get(rig, &root, V1);
	rig_get(rig, &root, V4);
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	struct answer *a = ask(rig, &root, .scanout = V2);
	assert_refused(a, SCANOUT_ERROR_NO_FREE);
	assert_non_null(strstr(a->message, "No CRTC and primary plane is left"));
	a = ask(rig, &root, .scanout = V2, .timeout_usec = 60 * SECOND);
	answer_close(&rig->answers[0]);
	run_until(rig->event, a->n == 1);
	assert_granted(a, V2);
	rig_destroy(rig);
}

static void an_output_that_is_not_there_reserves_nothing(void **state) {
	struct card_snapshot topology = fake_topology_floating_crtcs(3, 2);
	topology.connectors[1].possible_crtcs = 1;
	topology.connectors[2].possible_crtcs = 2;
	topology.connectors[1].connected = false;
	struct rig *rig = rig_new(false, NULL);
	rig->card = rig_add_card(rig, "/dev/dri/card0", &topology);
	/* V1 can use both CRTCs; only V3 needs one of its own. */
	assert_int_equal(rig_get(rig, &root, V1)->objects.crtc, FAKE_CRTC(0));
	rig_get(rig, &root, V3);
	answer_close(&rig->answers[0]);
	answer_close(&rig->answers[1]);
	fake_card_set_connected(rig->card, 1, true);
	fake_card_set_connected(rig->card, 2, false);
	fake_send(CARD_EVENT_HOTPLUG, "/dev/dri/card0");
	run_until(rig->event, rig_state(rig, V3) == SCANOUT_ABSENT);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(rig_get(rig, &root, V1)->objects.crtc, FAKE_CRTC(1));
	rig_get(rig, &root, V2);
	rig_destroy(rig);
}

/* Manager and requests go together at the end: who waits is told. */
static void the_end_answers_who_waits(void **state) {
	struct rig *rig = *state;
	lease_all(rig);
	struct answer *a = ask(rig, &user, .timeout_usec = 60 * SECOND);
	queue_refuse_all(&rig->manager.queue);
	assert_refused(a, SCANOUT_ERROR_DEVICE_GONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_lease_from_begin_to_end),
		TEST(a_copy_keeps_the_lease),
		TEST(everybody_gets_another_until_none_is_free),
		cmocka_unit_test(without_a_card),
		TEST(quota_counts_leases_and_waiters_of_a_holder),
		TEST(a_waiter_is_not_counted_twice),
		TEST(named_scanouts_say_why_not),
		TEST(a_named_one_can_be_waited_for),
		TEST(a_label_gets_its_scanout_again),
		TEST(a_label_waits_for_its_draining_scanout),
		TEST(a_label_does_not_wait_for_a_stuck_scanout),
		TEST(without_a_timeout_a_draining_one_is_waited_for),
		TEST(one_label_holds_one_scanout),
		TEST(first_come_first_served),
		TEST(timeout_fires),
		TEST(cancelled_requests_get_nothing),
		TEST(create_fails),
		TEST(list_fails),
		TEST(a_spare_comes_along_and_is_no_lease),
		cmocka_unit_test(no_crtc_is_left),
		cmocka_unit_test(an_output_that_is_not_there_reserves_nothing),
		TEST(the_end_answers_who_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
