/* An environment to be passed to a command. */
#ifndef SCANOUT_RUN_ENVIRONMENT_H
#define SCANOUT_RUN_ENVIRONMENT_H

#include <stddef.h>

struct environment {
	char **list; // NULL-ended, each string owned
	size_t count;
	int error; // negative errno of the first failure, for one check at the end
};

/* Copies a list such as environ. */
void environment_init(struct environment *env, char *const from[]);
void environment_finish(struct environment *env);

const char *environment_get(const struct environment *env, const char *name);
/* Sets NAME to a formatted value in place of what was there. */
void environment_set(struct environment *env, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void environment_unset(struct environment *env, const char *name);

#endif
