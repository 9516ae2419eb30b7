/* One thread for what may hang: order, deadlines, and ends while a job does hang. */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/kms/worker.h"
#include "fake_clock.h"

#define SECOND UINT64_C(1000000)

struct fixture {
	sd_event *event;
	struct worker *worker;
	int gate;       // an eventfd: a held job waits until it is written to
	char order[64]; // what happened on the event loop
	size_t n;
	bool stopped;
};

struct test_job {
	struct worker_job job;
	struct fixture *fixture;
	char name;
	int value;
	bool held, began;
	int result; // as done() was told
	unsigned n_done, n_overdue;
};

static void note(struct fixture *f, char what) {
	assert_true(f->n < sizeof(f->order) - 1);
	f->order[f->n++] = what;
}

static int run(struct worker_job *job) {
	struct test_job *test = (struct test_job *)job;
	uint64_t count;
	__atomic_store_n(&test->began, true, __ATOMIC_SEQ_CST);
	if (test->held && read(test->fixture->gate, &count, sizeof(count)) != sizeof(count)) {
		abort();
	}
	return test->value;
}

static void done(struct worker_job *job, int result) {
	struct test_job *test = (struct test_job *)job;
	test->result = result;
	test->n_done++;
	note(test->fixture, test->name);
}

static void overdue(struct worker_job *job) {
	struct test_job *test = (struct test_job *)job;
	test->n_overdue++;
	note(test->fixture, '!');
}

static void stopped(void *data) {
	struct fixture *f = data;
	f->stopped = true;
	f->worker = NULL;
	note(f, '.');
}

static bool has_begun(struct test_job *test) {
	return __atomic_load_n(&test->began, __ATOMIC_SEQ_CST);
}

static void open_gate(struct fixture *f, uint64_t times) {
	assert_int_equal(write(f->gate, &times, sizeof(times)), sizeof(times));
}

static struct test_job make(struct fixture *f, char name) {
	return (struct test_job){.job = {.run = run, .done = done, .overdue = overdue},
		.fixture = f,
		.name = name,
		.result = 1234};
}

static void submit(struct test_job *test) {
	assert_int_equal(worker_submit(test->fixture->worker, &test->job), 0);
}

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));
	clock_stop();
	assert_int_equal(sd_event_new(&f->event), 0);
	f->gate = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	assert_int_equal(worker_new(f->event, &f->worker), 0);
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	assert_true(worker_destroy(f->worker, SECOND));
	sd_event_unref(f->event);
	clock_go_on();
	close(f->gate);
	free(f);
	return 0;
}

static void jobs_run_in_order_with_their_results(void **state) {
	struct fixture *f = *state;
	struct test_job jobs[5];
	for (int i = 0; i < 5; i++) {
		jobs[i] = make(f, (char)('a' + i));
		jobs[i].value = -i;
		submit(&jobs[i]);
	}
	run_until(f->event, f->n == 5);
	assert_string_equal(f->order, "abcde");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(jobs[i].result, -i);
		assert_int_equal(jobs[i].n_done, 1);
	}
}

/* done() comes from the loop: nothing happens without it. */
static void results_wait_for_the_loop(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a'), b = make(f, 'b');
	submit(&a);
	submit(&b);
	wait_until(has_begun(&b));
	assert_int_equal(f->n, 0);
	run_until(f->event, f->n == 2);
}

/* The deadline tells of both the job that hangs and the one behind it; both still come. */
static void overdue_once_and_then_done(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a'), b = make(f, 'b');
	a.held = true;
	a.value = -EIO;
	a.job.deadline_usec = b.job.deadline_usec = 20000;
	submit(&a);
	submit(&b);
	clock_pass(19999);
	run_pending(f->event);
	assert_int_equal(a.n_overdue + b.n_overdue, 0);
	clock_pass(1);
	run_until(f->event, a.n_overdue && b.n_overdue);
	assert_false(has_begun(&b));
	assert_int_equal(a.n_done + b.n_done, 0);
	open_gate(f, 1);
	run_until(f->event, b.n_done);
	assert_string_equal(f->order, "!!ab");
	assert_int_equal(a.result, -EIO);
	assert_int_equal(b.result, 0);
	assert_int_equal(a.n_overdue + b.n_overdue, 2);
}

static void in_time_is_not_overdue(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a');
	a.job.deadline_usec = 20000;
	submit(&a);
	assert_non_null(a.job.timer);
	run_until(f->event, a.n_done);
	assert_null(a.job.timer);
	clock_pass(20000);
	run_pending(f->event);
	assert_int_equal(a.n_overdue, 0);
}

static void without_a_handler_a_deadline_is_nothing(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a');
	a.job.overdue = NULL;
	a.job.deadline_usec = 1;
	submit(&a);
	clock_pass(1);
	run_until(f->event, a.n_done);
}

/* Waiting jobs come back at once, the running one when it can, the worker after that. */
static void stop_while_a_job_hangs(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a'), b = make(f, 'b'), c = make(f, 'c');
	a.held = true;
	a.job.deadline_usec = b.job.deadline_usec = 20000;
	submit(&a);
	submit(&b);
	submit(&c);
	wait_until(has_begun(&a));
	worker_stop(f->worker, stopped, f);
	assert_string_equal(f->order, "bc");
	assert_int_equal(b.result, -ECANCELED);
	assert_int_equal(c.result, -ECANCELED);
	assert_false(has_begun(&b));

	/* Nobody hears of deadlines any more: what they would be about is gone. */
	clock_pass(20000);
	run_pending(f->event);
	assert_string_equal(f->order, "bc");
	assert_false(f->stopped);
	open_gate(f, 1);
	run_until(f->event, f->stopped);
	assert_string_equal(f->order, "bca.");
	assert_int_equal(a.result, -ECANCELED);
}

static void stop_when_idle(void **state) {
	struct fixture *f = *state;
	worker_stop(f->worker, stopped, f);
	assert_false(f->stopped); // never from within the call
	run_until(f->event, f->stopped);
}

/* A job's end may be what stops the worker: a card that cannot be looked at. */
static void done_and_stop(struct worker_job *job, int result) {
	struct test_job *test = (struct test_job *)job;
	done(job, result);
	worker_stop(test->fixture->worker, stopped, test->fixture);
}

static void stop_from_within_done(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a'), b = make(f, 'b');
	a.job.done = done_and_stop;
	b.held = true;
	submit(&a);
	submit(&b);
	open_gate(f, 1);
	run_until(f->event, f->stopped);
	assert_int_equal(a.result, 0);
	assert_int_equal(b.result, -ECANCELED);
	assert_int_equal(b.n_done, 1);
	assert_string_equal(f->order, "ab.");
}

/* Finished but not told: what it is about is gone before it can be told. */
static void stop_cancels_what_was_not_told_yet(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a'), b = make(f, 'b');
	b.held = true;
	submit(&a);
	submit(&b);
	wait_until(has_begun(&b));
	worker_stop(f->worker, stopped, f);
	assert_int_equal(a.result, -ECANCELED);
	open_gate(f, 1);
	run_until(f->event, f->stopped);
}

static void destroy_waits_for_what_runs(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a'), b = make(f, 'b');
	submit(&a);
	submit(&b);
	assert_true(worker_destroy(f->worker, SECOND));
	f->worker = NULL;
	assert_int_equal(a.n_done + b.n_done, 2);
	assert_int_equal(a.result, -ECANCELED);
}

static void destroy_gives_up_on_what_hangs(void **state) {
	struct fixture *f = *state;
	struct test_job a = make(f, 'a'), b = make(f, 'b');
	a.held = true;
	submit(&a);
	submit(&b);
	wait_until(has_begun(&a));
	clock_go_on();
	uint64_t before = now_usec();
	assert_false(worker_destroy(f->worker, 30000));
	uint64_t took = now_usec() - before;
	assert_true(took >= 30000);
	assert_int_equal(a.n_done, 0); // its data must stay as it is
	clock_stop();
	open_gate(f, 1);
	assert_true(worker_destroy(f->worker, SECOND));
	f->worker = NULL;
	assert_int_equal(a.result, -ECANCELED);
	assert_int_equal(b.result, -ECANCELED);
	assert_false(has_begun(&b));
}

static void destroy_of_nothing(void **state) {
	assert_true(worker_destroy(NULL, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(jobs_run_in_order_with_their_results),
		TEST(results_wait_for_the_loop),
		TEST(overdue_once_and_then_done),
		TEST(in_time_is_not_overdue),
		TEST(without_a_handler_a_deadline_is_nothing),
		TEST(stop_while_a_job_hangs),
		TEST(stop_when_idle),
		TEST(stop_from_within_done),
		TEST(stop_cancels_what_was_not_told_yet),
		TEST(destroy_waits_for_what_runs),
		TEST(destroy_gives_up_on_what_hangs),
		TEST(destroy_of_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
