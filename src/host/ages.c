#include "host/ages.h"

#include <stdlib.h>
#include <time.h>

/* An hour of 240 pictures a second, in 4 MB. */
#define MAX_AGES (1024 * 1024)
#define FIRST_AGES 1024

uint64_t ages_now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

void ages_add(struct ages *ages, uint64_t since_usec) {
	uint64_t now = ages_now();
	if (ages->n == ages->n_room && ages->n_room < MAX_AGES) {
		size_t n = ages->n_room ? 2 * ages->n_room : FIRST_AGES;
		uint32_t *usec = reallocarray(ages->usec, n, sizeof(*usec));
		if (usec) {
			ages->usec = usec;
			ages->n_room = n;
		}
	}
	if (ages->n < ages->n_room) {
		ages->usec[ages->n++] = (uint32_t)(now - since_usec);
	}
}

void ages_clear(struct ages *ages) {
	ages->n = 0;
}

static int compare(const void *a, const void *b) {
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left < right ? -1 : left > right;
}

uint32_t ages_find(struct ages *ages, unsigned percent) {
	if (ages->n == 0) {
		return 0;
	}
	qsort(ages->usec, ages->n, sizeof(*ages->usec), compare);
	size_t i = ages->n * percent / 100;
	return ages->usec[i < ages->n ? i : ages->n - 1];
}

void ages_finish(struct ages *ages) {
	free(ages->usec);
	*ages = (struct ages){0};
}
