/*
 * Named points at which the tests let the daemon fail. They are compiled in with -DFAILPOINTS
 * alone, which `make` never sets: elsewhere FAILPOINT() is 0 and its name is nowhere.
 */
#ifndef SCANOUTD_FAILPOINT_H
#define SCANOUTD_FAILPOINT_H

#ifdef FAILPOINTS

/*
 * Does what /run/scanoutd/failpoint asks of this point, once: the file says "NAME ACTION" and is
 * removed by the one that acts. ACTION is `kill`, `stop` or `term`, the signal that this process
 * gets, or the number of an errno.
 *
 * Return: 0, or that errno, negative; a point without a use for it ignores it.
 */
int failpoint_reach(const char *name);
#define FAILPOINT(name) failpoint_reach(name)

#else

static inline int failpoint_none(void) {
	return 0;
}
#define FAILPOINT(name) failpoint_none()

#endif

#endif
