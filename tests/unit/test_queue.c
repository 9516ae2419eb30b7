/* Who waits: order, timeouts, limits. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/core/queue.h"
#include "daemon/model/wish.h"
#include "fake_clock.h"
#include "scanout/dbus_names.h"

struct answer {
	unsigned n;
	enum refusal_code code;
	char message[320];
};

struct fixture {
	sd_event *event;
	struct queue queue;
	struct answer answer; // teardown still answers those that wait
};

static void take(void *data, struct grant *grant, const struct refusal *refusal) {
	struct answer *answer = data;
	assert_null(grant);
	answer->n++;
	answer->code = refusal->code;
	memcpy(answer->message, refusal->message, sizeof(answer->message));
}

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));
	clock_stop();
	assert_int_equal(sd_event_new(&f->event), 0);
	queue_init(&f->queue, f->event);
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	queue_finish(&f->queue);
	sd_event_unref(f->event);
	clock_go_on();
	free(f);
	return 0;
}

static struct waiter *add(struct fixture *f, uid_t uid, uint64_t timeout, struct answer *answer) {
	struct wish wish = {.timeout_usec = timeout};
	struct identity identity = {.uid = uid};
	struct refusal refusal;
	struct waiter *waiter = queue_add(&f->queue, &wish, &identity, take, answer, &refusal);
	assert_non_null(waiter);
	return waiter;
}

static void timeouts_fire_in_their_own_order(void **state) {
	struct fixture *f = *state;
	struct answer slow = {0}, quick = {0};
	add(f, 1, 60000, &slow);
	add(f, 2, 5000, &quick);
	clock_pass(4999);
	run_pending(f->event);
	assert_int_equal(quick.n, 0);
	clock_pass(1);
	run_until(f->event, quick.n);
	clock_pass(54999);
	run_pending(f->event);
	assert_int_equal(slow.n, 0);
	clock_pass(1);
	run_until(f->event, slow.n);
	assert_int_equal(quick.code, REFUSAL_TIMEOUT);
	assert_string_equal(refusal_error_name(slow.code), SCANOUT_ERROR_TIMEOUT);
	assert_non_null(strstr(slow.message, "within 60 ms"));
	assert_int_equal(f->queue.n_waiters, 0);
	assert_int_equal(quick.n + slow.n, 2);
}

static void removed_ones_hear_nothing(void **state) {
	struct fixture *f = *state;
	struct answer gone = {0}, other = {0};
	struct waiter *waiter = add(f, 1, 1000, &gone);
	add(f, 1, 5000, &other);
	queue_remove(&f->queue, waiter);
	clock_pass(5000);
	run_until(f->event, other.n);
	assert_int_equal(gone.n, 0);
}

static void without_a_timeout_no_timer(void **state) {
	struct fixture *f = *state;
	assert_null(add(f, 1, 0, &f->answer)->timer);
	clock_pass(WISH_TIMEOUT_MAX_USEC);
	run_pending(f->event);
	assert_int_equal(f->answer.n, 0);
}

static void counts_by_holder(void **state) {
	struct fixture *f = *state;
	struct identity one = {.uid = 1}, two = {.uid = 2}, inside = {.uid = 1, .container = "a"};
	add(f, 1, 0, &f->answer);
	add(f, 1, 0, &f->answer);
	add(f, 2, 0, &f->answer);
	assert_int_equal(queue_count(&f->queue, &one), 2);
	assert_int_equal(queue_count(&f->queue, &two), 1);
	assert_int_equal(queue_count(&f->queue, &inside), 0);
}

static void all_together_are_limited(void **state) {
	struct fixture *f = *state;
	struct wish wish = {0};
	struct identity identity = {.uid = 1000};
	struct refusal refusal = {0};
	for (uid_t i = 0; i < 256; i++) {
		add(f, i, 0, &f->answer);
	}
	assert_null(queue_add(&f->queue, &wish, &identity, take, &f->answer, &refusal));
	assert_string_equal(refusal_error_name(refusal.code), SCANOUT_ERROR_QUOTA);
	assert_int_equal(f->answer.n, 0);
	queue_remove(&f->queue, TAILQ_FIRST(&f->queue.waiters));
	add(f, 1, 0, &f->answer);
}

static void the_end_refuses_everybody_once(void **state) {
	struct fixture *f = *state;
	struct answer first = {0}, second = {0};
	add(f, 1, 1000, &first);
	add(f, 2, 0, &second);
	queue_finish(&f->queue);
	assert_string_equal(refusal_error_name(first.code), SCANOUT_ERROR_DEVICE_GONE);
	assert_string_equal(refusal_error_name(second.code), SCANOUT_ERROR_DEVICE_GONE);
	queue_finish(&f->queue);
	assert_int_equal(first.n + second.n, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(timeouts_fire_in_their_own_order),
		TEST(removed_ones_hear_nothing),
		TEST(without_a_timeout_no_timer),
		TEST(counts_by_holder),
		TEST(all_together_are_limited),
		TEST(the_end_refuses_everybody_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
