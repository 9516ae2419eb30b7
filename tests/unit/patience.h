/*
 * Waiting for what has to come, however long that takes: no test knows how slow its machine is.
 * tests/watch.py sees whether anything still moves. If not, it sends SIGALRM, and what is waited
 * for then fails the test, by name; so does a call that never returns.
 */
#ifndef TESTS_PATIENCE_H
#define TESTS_PATIENCE_H

#include <stdint.h>

/* CLOCK_MONOTONIC in µs. */
uint64_t now_usec(void);

/* Returns since when. Waits do not nest. */
uint64_t patience_begin(const char *what);
/* How long to sleep until the next look, in µs: the longer the wait, the rarer. */
uint64_t patience_step(uint64_t since);
/* Sleeps until then; for what no event tells. */
void patience_sleep(uint64_t since);
void patience_end(void);

/* What else to show when it never comes. NULL: nothing. */
void patience_explain(void (*explain)(void *data), void *data);

#define wait_until(condition)                                      \
	do {                                                       \
		uint64_t wait_since_ = patience_begin(#condition); \
		while (!(condition)) {                             \
			patience_sleep(wait_since_);               \
		}                                                  \
		patience_end();                                    \
	} while (0)

#endif
