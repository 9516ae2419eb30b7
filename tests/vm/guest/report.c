#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void report_line(const cJSON *json) {
	char *text = cJSON_PrintUnformatted(json);

	if (text == NULL) {
		fprintf(stderr, "out of memory\n");
		return;
	}
	puts(text);
	fflush(stdout);
	free(text);
}

const char *report_errno(int err) {
	const char *name;

	if (err == 0) {
		return "OK";
	}
	name = strerrorname_np(abs(err));
	return name != NULL ? name : "unknown";
}

uint64_t report_now_nsec(void) {
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t report_now_usec(void) {
	return report_now_nsec() / 1000;
}

static int compare(const void *a, const void *b) {
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Nearest rank: the smallest sample that at least percent of all samples do not exceed. */
static uint64_t percentile(const uint64_t *sorted, size_t n, unsigned int percent) {
	size_t rank = (n * percent + 99) / 100;

	return sorted[rank > 0 ? rank - 1 : 0];
}

void report_latencies(cJSON *json, uint64_t *samples, size_t n) {
	if (n == 0) {
		return;
	}
	qsort(samples, n, sizeof(*samples), compare);
	cJSON_AddNumberToObject(json, "p50_us", (double)percentile(samples, n, 50));
	cJSON_AddNumberToObject(json, "p99_us", (double)percentile(samples, n, 99));
	cJSON_AddNumberToObject(json, "min_us", (double)samples[0]);
	cJSON_AddNumberToObject(json, "max_us", (double)samples[n - 1]);
}
