/* Messages to the person who started the program: single sentences on standard error. */
#ifndef SCANOUT_SAY_H
#define SCANOUT_SAY_H

#include <stdint.h>

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Of what strangers can make happen without end. Zero at the beginning. */
struct seldom {
	uint64_t quiet_until; // CLOCK_MONOTONIC, in µs
	unsigned n_unsaid;
};

/* At most once in ten seconds; tells how many messages were left out since the one before. */
void say_seldom(struct seldom *seldom, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
