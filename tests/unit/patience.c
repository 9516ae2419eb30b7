#include "patience.h"

#include <poll.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "support.h"

/* So rare that tests/watch.py does not take looks for movement. */
#define MAX_STEP_USEC 10000000

static struct {
	char what[256]; // "": nothing
	uint64_t since;
	void (*explain)(void *data);
	void *data;
} now;

uint64_t now_usec(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * Everything sleeps when this comes, so the test is left out of a call of the kernel, and not out
 * of the middle of anything.
 */
static void handle_alarm(int number) {
	__sanitizer_print_stack_trace();
	if (now.explain) {
		now.explain(now.data);
	}
	if (now.what[0] == '\0') {
		fail_msg("Nothing moves any more: a call does not return");
	}
	fail_msg("Nothing moves any more. Waited for %.1f s, and this never came: %s",
		(double)(now_usec() - now.since) / 1000000, now.what);
}

/* Before main(), for a setup may hang as well. */
static void __attribute__((constructor)) handle_alarms(void) {
	/* Not masked by itself: the handler does not return. */
	const struct sigaction action = {.sa_handler = handle_alarm, .sa_flags = SA_NODEFER};
	sigaction(SIGALRM, &action, NULL);
}

uint64_t patience_begin(const char *what) {
	snprintf(now.what, sizeof(now.what), "%s", what);
	now.since = now_usec();
	return now.since;
}

uint64_t patience_step(uint64_t since) {
	uint64_t step = (now_usec() - since) / 8;
	return step < MAX_STEP_USEC ? step : MAX_STEP_USEC;
}

void patience_sleep(uint64_t since) {
	uint64_t step = patience_step(since);
	const struct timespec time = {
		.tv_sec = (time_t)(step / 1000000), .tv_nsec = (long)(step % 1000000) * 1000};
	ppoll(NULL, 0, &time, NULL);
}

void patience_end(void) {
	now.what[0] = '\0';
}

void patience_explain(void (*explain)(void *data), void *data) {
	now.explain = explain;
	now.data = data;
}
