/* Durations, as people write and read them. */
#ifndef SCANOUT_CTL_DURATION_H
#define SCANOUT_CTL_DURATION_H

#include <stddef.h>
#include <stdint.h>

/* The longest timeout that scanoutd accepts. */
#define DURATION_MAX_USEC (UINT64_C(24) * 60 * 60 * 1000 * 1000)

/* "5", "0.5", "500ms", "10s", "2min", "1h" or "infinity" → µs; -EINVAL if it is none of these. */
int duration_parse(const char *text, uint64_t *ret_usec);

/* CLOCK_MONOTONIC. */
uint64_t duration_now_usec(void);

/* How long ago a CLOCK_REALTIME time was: "12 s", "3 min", "5 h", "2 d"; "-" for 0. */
void duration_since(uint64_t realtime_usec, char *text, size_t size);

#endif
