/* How a lease ends, and that nobody else's ends with it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/core/reaper.h"
#include "daemon/core/request.h"
#include "fake_event.h"
#include "rig.h"
#include "scanout/dbus_names.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define V3 "card0-Virtual-3"
#define V4 "card0-Virtual-4"

#define SECOND UINT64_C(1000000)

static void assert_release_refused(
	struct rig *rig, const struct identity *identity, const char *id, const char *error) {
	struct refusal refusal = {0};
	enum refusal_code code = request_release(&rig->manager, identity, id, &refusal);
	if (code == REFUSAL_NONE) {
		fail_msg("'%s' was released", id);
	}
	assert_string_equal(refusal_error_name(code), error);
	assert_int_equal(refusal.code, code);
	assert_true(strlen(refusal.message) > 20);
}

static void the_holder_releases(void **state) {
	struct rig *rig = *state;
	struct answer *a = rig_get(rig, &user, V1);
	fake_hold(FAKE_BLANK);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	assert_int_equal(fake_card_n_lessees(rig->card), 0);
	assert_int_equal(rig->n_ended, 1);
	assert_int_equal(rig->last_reason, LEASE_RELEASED);
	assert_int_equal(rig_state(rig, V1), SCANOUT_DRAINING);
	fake_release(FAKE_BLANK);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_card_picture(rig->card, 0), 0);
	/* The fd of a revoked lease is closed later, and nothing more happens. */
	answer_close(a);
	run_pending(rig->event);
	assert_int_equal(rig->n_ended, 1);
}

static void an_admin_revokes(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &container_a, V1);
	assert_int_equal(rig_release(rig, &root, V1), REFUSAL_NONE);
	assert_int_equal(rig->last_reason, LEASE_REVOKED);
	run_until(rig->event, rig_all_free(rig));
}

static void strangers_may_not(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	rig_get(rig, &container_a, V2);
	assert_release_refused(rig, &stranger, V1, SCANOUT_ERROR_NOT_HOLDER);
	assert_release_refused(rig, &container_a, V1, SCANOUT_ERROR_NOT_HOLDER);
	assert_release_refused(rig, &container_b, V2, SCANOUT_ERROR_NOT_HOLDER);
	assert_release_refused(rig, &user, V2, SCANOUT_ERROR_NOT_HOLDER);
	assert_int_equal(fake_card_n_lessees(rig->card), 2);
	assert_int_equal(fake_count(FAKE_REVOKE), 0);
}

static void twice_is_told(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	fake_hold(FAKE_BLANK);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	assert_release_refused(rig, &user, V1, SCANOUT_ERROR_BUSY);
	fake_release(FAKE_BLANK);
	run_until(rig->event, rig_all_free(rig));
	assert_release_refused(rig, &user, V1, SCANOUT_ERROR_NO_SUCH);
	assert_int_equal(fake_count(FAKE_REVOKE), 1);
}

static void generations_protect_the_next_holder(void **state) {
	struct rig *rig = *state;
	char id[64];
	struct answer *old = rig_get(rig, &user, V1);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	run_until(rig->event, rig_all_free(rig));
	struct answer *next = rig_get(rig, &user, V1);

	snprintf(id, sizeof(id), V1 "#%" PRIu64, old->generation);
	assert_release_refused(rig, &user, id, SCANOUT_ERROR_NO_SUCH);
	assert_release_refused(rig, &root, id, SCANOUT_ERROR_NO_SUCH);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	snprintf(id, sizeof(id), V1 "#%" PRIu64, next->generation);
	assert_int_equal(rig_release(rig, &user, id), REFUSAL_NONE);
}

static void ids_that_are_none(void **state) {
	struct rig *rig = *state;
	char name[10240];
	static const char *const wrong[] = {"", "#", "#1", V1 "#", V1 "#0", V1 "#x", V1 "#1x",
		V1 "#-1", V1 "#99999999999999999999", V1 " ", "card0-Virtual", "card1-Virtual-1",
		"/org/scanoutd/Scanout1/card0_2dVirtual_2d1", "card0-Virtual-5",
		"desk\n\xc3\xa4\xf0\x9f\x96\xa5", "%s%n"};
	rig_get(rig, &user, V1);
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		assert_release_refused(rig, &user, wrong[i], SCANOUT_ERROR_NO_SUCH);
	}
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_release_refused(rig, &user, name, SCANOUT_ERROR_NO_SUCH);
	memcpy(name, V1, strlen(V1)); // begins like a real one
	assert_release_refused(rig, &user, name, SCANOUT_ERROR_NO_SUCH);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	assert_release_refused(rig, &user, V2, SCANOUT_ERROR_NO_SUCH); // free
}

/* The kernel gives the lowest id again. The old holder's release must not reach the new one. */
static void reused_lessee_ids_are_told_apart(void **state) {
	struct rig *rig = *state;
	struct answer *old = rig_get(rig, &user, V1);
	fake_set_quiet(true); // no event: only a look at the list helps
	answer_close(old);
	struct answer *next = rig_get(rig, &container_a, V2);
	assert_int_equal(next->lessee, old->lessee);
	assert_release_refused(rig, &user, V1, SCANOUT_ERROR_BUSY); // ended, being blanked
	assert_int_equal(fake_count(FAKE_REVOKE), 0);
	assert_int_equal(fake_card_n_lessees(rig->card), 1);
	assert_int_equal(rig_state(rig, V2), SCANOUT_LEASED);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
}

static void close_now(void *data) {
	answer_close(data);
}

/* The same, with the close between the daemon's look at the list and its create. */
static void a_close_that_races_with_a_create(void **state) {
	struct rig *rig = *state;
	struct answer *old = rig_get(rig, &user, V1);
	fake_set_quiet(true);
	fake_before(FAKE_CREATE, close_now, old);
	struct answer *next = rig_get(rig, &container_a, V2);
	assert_int_equal(next->lessee, old->lessee);
	fake_before(FAKE_CREATE, NULL, NULL);

	/* Two leases with one lessee: the first of them cannot be alive. */
	assert_int_not_equal(rig_state(rig, V1), SCANOUT_LEASED);
	rig_release(rig, &user, V1);
	assert_int_equal(fake_count(FAKE_REVOKE), 0);
	assert_int_equal(fake_card_n_lessees(rig->card), 1);
	assert_int_equal(rig_state(rig, V2), SCANOUT_LEASED);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	answer_close(next);
	rig_get(rig, &user, V3); // reconciles
	assert_int_not_equal(rig_state(rig, V2), SCANOUT_LEASED);
}

/* And with a spare, which takes the reused id but is not listed. */
static void a_close_that_races_with_a_spare(void **state) {
	struct rig *rig = *state;
	struct answer *old = rig_get(rig, &user, V1);
	fake_set_quiet(true);
	fake_before(FAKE_CREATE, close_now, old);
	struct answer *next = ask(rig, &container_a, .scanout = V2, .spare = true);
	fake_before(FAKE_CREATE, NULL, NULL);
	assert_granted(next, V2);
	assert_int_not_equal(next->lessee, old->lessee);
	rig_release(rig, &user, V1);
	assert_int_equal(fake_count(FAKE_REVOKE), 0);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
}

/* The holder closes in the very moment of the release: that is no failure. */
static void a_close_that_races_with_a_release(void **state) {
	struct rig *rig = *state;
	fake_before(FAKE_REVOKE, close_now, rig_get(rig, &user, V1));
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	assert_int_equal(fake_count(FAKE_REVOKE), 1);
	assert_int_equal(rig->n_ended, 1);
	run_until(rig->event, rig_all_free(rig));
}

/* A revoke that fails leaves a lessee on the CRTC: it must not be blanked for the next one. */
static void a_revoke_that_fails(void **state) {
	struct rig *rig = *state;
	struct refusal refusal = {0};
	rig_get(rig, &user, V1);
	fake_fail(FAKE_REVOKE, 0, 1, -EIO);
	enum refusal_code code = request_release(&rig->manager, &user, V1, &refusal);
	assert_int_not_equal(code, REFUSAL_NONE);
	assert_string_equal(refusal_error_name(code), SCANOUT_ERROR_DEVICE_BUSY);
	run_pending(rig->event);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	assert_int_equal(rig->n_ended, 0);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	run_until(rig->event, rig_all_free(rig));
}

static void lost_events_are_made_up_for(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	rig_get(rig, &user, V2);
	fake_lose_events();
	answer_close(&rig->answers[0]);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(rig_state(rig, V2), SCANOUT_LEASED);
}

static void many_ends_at_once(void **state) {
	struct rig *rig = *state;
	for (int i = 0; i < 4; i++) {
		rig_get(rig, &root, NULL);
	}
	for (int i = 0; i < 4; i++) {
		answer_close(&rig->answers[i]);
	}
	run_until(rig->event, rig_all_free(rig));
	assert_int_equal(rig->n_ended, 4);
}

static ino_t written(const struct rig *rig) {
	struct stat st;
	assert_int_equal(stat(rig->manager.state.path, &st), 0);
	return st.st_ino; // each time it is another file
}

/* leases.json: once for all that ended, but before the answer to a grant. */
static void many_ends_are_written_once(void **state) {
	struct rig *rig = *state;
	rig_keep_state(rig);
	fake_set_quiet(true);
	for (int i = 0; i < 4; i++) {
		rig_get(rig, &root, NULL);
	}
	ino_t before = written(rig);
	for (int i = 0; i < 4; i++) {
		answer_close(&rig->answers[i]);
	}
	assert_int_equal(reaper_reconcile(&rig->manager, TAILQ_FIRST(&rig->manager.cards)), 0);
	assert_int_equal(rig->n_ended, 4);
	assert_int_equal(written(rig), before);
	rig_settle(rig);
	assert_int_not_equal(written(rig), before);
	before = written(rig);
	rig_get(rig, &root, NULL);
	assert_int_not_equal(written(rig), before);
}

static void cycles_leave_nothing(void **state) {
	struct rig *rig = *state;
	unsigned n_fds = count_fds(getpid());
	for (unsigned i = 0; i < 500; i++) {
		rig->n_answers = 0;
		struct answer *a = ask(rig, &user, .label = "desk", .spare = i % 3 == 0,
			.timeout_usec = 60 * SECOND);
		run_until(rig->event, a->n == 1);
		assert_granted(a, NULL);
		if (i % 5 == 0) {
			assert_int_equal(rig_release(rig, &user, a->id), REFUSAL_NONE);
		}
		answer_close(a);
	}
	run_until(rig->event, rig_all_free(rig));
	assert_int_equal(rig->n_ended, 500);
	assert_int_equal(count_fds(getpid()), n_fds);
	assert_int_equal(fake_card_n_lessees(rig->card), 0);
}

/* A lock that somebody holds makes one scanout stuck, not the daemon; it recovers by itself. */
static void stuck_and_free_again(void **state) {
	struct rig *rig = *state;
	struct answer *a = rig_get(rig, &user, V1);
	fake_hold(FAKE_BLANK);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_DRAINING);
	struct answer *named = ask(rig, &user, .scanout = V1);
	clock_pass(2 * SECOND - 1);
	run_pending(rig->event);
	assert_int_equal(rig_state(rig, V1), SCANOUT_DRAINING);
	clock_pass(1);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_STUCK);
	assert_string_equal(rig_scanout(rig, V1)->reason, "blanking waits for a modeset lock");
	run_until(rig->event, named->n == 1);
	assert_refused(named, SCANOUT_ERROR_BUSY);
	assert_refused(ask(rig, &user, .scanout = V1), SCANOUT_ERROR_BUSY);
	assert_release_refused(rig, &user, V1, SCANOUT_ERROR_BUSY);
	struct answer *waiter = ask(rig, &user, .scanout = V1, .timeout_usec = 60 * SECOND);
	assert_string_not_equal(rig_get(rig, &user, NULL)->id, V1);
	fake_release(FAKE_BLANK);
	run_until(rig->event, waiter->n == 1);
	assert_granted(waiter, V1);
	assert_string_equal(rig_scanout(rig, V1)->reason, "");
}

/* What cannot be blanked is given to nobody. */
static void blanking_fails(void **state) {
	struct rig *rig = *state;
	struct answer *a = rig_get(rig, &user, V1);
	fake_fail(FAKE_BLANK, 0, 1, -EBUSY);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_STUCK);
	assert_string_equal(
		rig_scanout(rig, V1)->reason, "blanking failed: Device or resource busy");
	assert_refused(ask(rig, &user, .scanout = V1), SCANOUT_ERROR_BUSY);
	for (int i = 0; i < 3; i++) {
		assert_string_not_equal(rig_get(rig, &root, NULL)->id, V1);
	}
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(the_holder_releases),
		TEST(an_admin_revokes),
		TEST(strangers_may_not),
		TEST(twice_is_told),
		TEST(generations_protect_the_next_holder),
		TEST(ids_that_are_none),
		TEST(reused_lessee_ids_are_told_apart),
		TEST(a_close_that_races_with_a_create),
		TEST(a_close_that_races_with_a_spare),
		TEST(a_close_that_races_with_a_release),
		TEST(a_revoke_that_fails),
		TEST(lost_events_are_made_up_for),
		TEST(many_ends_at_once),
		TEST(many_ends_are_written_once),
		TEST(cycles_leave_nothing),
		TEST(stuck_and_free_again),
		TEST(blanking_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
