/* How old pictures were when something was done with them: many times, and what share was how old.
 */
#ifndef SCANOUT_HOST_AGES_H
#define SCANOUT_HOST_AGES_H

#include <stddef.h>
#include <stdint.h>

struct ages {
	uint32_t *usec;
	size_t n, n_room;
};

/* Now, CLOCK_MONOTONIC, µs. */
uint64_t ages_now(void);
/* Since then, until now. Without memory, and when there are very many, one is left out. */
void ages_add(struct ages *ages, uint64_t since_usec);
void ages_clear(struct ages *ages);
/* The age that so many of 100 had at most, µs; 0 without any. */
uint32_t ages_find(struct ages *ages, unsigned percent);
void ages_finish(struct ages *ages);

#endif
