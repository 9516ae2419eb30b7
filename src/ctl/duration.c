#include "ctl/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *name;
	double usec;
} units[] = {
	{"", 1e6},
	{"us", 1},
	{"ms", 1e3},
	{"s", 1e6},
	{"sec", 1e6},
	{"m", 60e6},
	{"min", 60e6},
	{"h", 3600e6},
};

int duration_parse(const char *text, uint64_t *ret_usec) {
	if (strcmp(text, "infinity") == 0) {
		*ret_usec = DURATION_MAX_USEC;
		return 0;
	}
	size_t digits = strspn(text, "0123456789.");
	char *end;
	double value = strtod(text, &end);
	if (digits == 0 || end != text + digits) {
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0) {
			continue;
		}
		value *= units[i].usec;
		if (value > 1e18) {
			return -EINVAL;
		}
		*ret_usec = (uint64_t)(value + 0.5);
		return 0;
	}
	return -EINVAL;
}

uint64_t duration_now_usec(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void duration_since(uint64_t realtime_usec, char *text, size_t size) {
	struct timespec now;
	if (realtime_usec == 0 || clock_gettime(CLOCK_REALTIME, &now) < 0) {
		snprintf(text, size, "-");
		return;
	}
	uint64_t then = realtime_usec / 1000000;
	uint64_t seconds = (uint64_t)now.tv_sec > then ? (uint64_t)now.tv_sec - then : 0;
	if (seconds < 60) {
		snprintf(text, size, "%" PRIu64 " s", seconds);
	} else if (seconds < 60 * 60) {
		snprintf(text, size, "%" PRIu64 " min", seconds / 60);
	} else if (seconds < 48 * 60 * 60) {
		snprintf(text, size, "%" PRIu64 " h", seconds / (60 * 60));
	} else {
		snprintf(text, size, "%" PRIu64 " d", seconds / (24 * 60 * 60));
	}
}
