/*
 * Time that passes when a test says so. The linker puts this in the place of sd-event's timers, of
 * waits with a limit and of sleeps, so that no deadline of the daemon comes while a slow machine is
 * still on its way, and none has to be waited for. Until clock_stop() it is the real time.
 */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include <stdint.h>

/* From now on timers that are set wait for clock_pass(), but for one of 0, and nobody sleeps. */
void clock_stop(void);
/* Lets so much time pass: what is due then comes in the next rounds of the event loop. */
void clock_pass(uint64_t usec);
void clock_go_on(void);
/* From now on it passes a hundred times as fast, for deadlines that are to come in any case. */
void clock_hurry(void);

#endif
