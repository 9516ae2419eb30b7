/* The named fds that systemd passes at the start: listening sockets, and what its fd store keeps.
 */
#ifndef SCANOUTD_PASSED_H
#define SCANOUTD_PASSED_H

#include <stddef.h>

struct passed {
	char **names;
	int *fds; // -1 once taken
	size_t n;
};

/* Collects what systemd passed, once per process. Returns 0 or -errno. */
int passed_collect(struct passed *ret);

/*
 * The next fd whose name begins with `prefix`; the caller owns it. `ret_name` stays valid until
 * passed_finish(). Returns the fd, or -1 if there is none left.
 */
int passed_take(struct passed *passed, const char *prefix, const char **ret_name);

/* Closes what nobody took. */
void passed_finish(struct passed *passed);

#endif
