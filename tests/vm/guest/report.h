#ifndef GUEST_REPORT_H
#define GUEST_REPORT_H

#include <cjson/cJSON.h>
#include <stdint.h>

/*
 * What a program tells the test outside: whole JSON objects, one per line, flushed at once
 * because the reader waits for the line.
 */
void report_line(const cJSON *json);

/* Name of an errno value, given negative or positive: 'EACCES'; 'OK' for 0. */
const char *report_errno(int err);

/* Of the monotonic clock. */
uint64_t report_now_usec(void);
uint64_t report_now_nsec(void);

/* Sorts samples in place and adds p50_us, p99_us, min_us and max_us to json. */
void report_latencies(cJSON *json, uint64_t *samples, size_t n);

#endif
