/*
 * Memory that runs out: an allocation of the thread that said so fails, wherever it is made: in the
 * daemon, in libsystemd, libdrm, cJSON or libc.
 */
#ifndef TESTS_STARVE_H
#define TESTS_STARVE_H

#include <stdbool.h>

/* From now on the n-th allocation of this thread fails, once; counted from 1, 0: none does. */
void starve(unsigned n);
/* Ends it. Returns whether the allocation came. */
bool starve_end(void);
/* What the test itself allocates in between does not count. */
void starve_pause(void);
void starve_resume(void);

/* For another process: what is written through the pointer is starve()'s `n` there. */
volatile unsigned *starve_share(int fd);
/* In that process, for the thread that calls it. */
void starve_obey(volatile unsigned *n);

#endif
