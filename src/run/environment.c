#include "run/environment.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* Takes the string over. */
static void add(struct environment *env, char *entry) {
	char **list = entry ? reallocarray(env->list, env->count + 2, sizeof(*list)) : NULL;
	if (!list) {
		free(entry);
		env->error = -ENOMEM;
		return;
	}
	list[env->count++] = entry;
	list[env->count] = NULL;
	env->list = list;
}

void environment_init(struct environment *env, char *const from[]) {
	*env = (struct environment){0};
	for (; *from; from++) {
		add(env, strdup(*from));
	}
}

void environment_finish(struct environment *env) {
	for (size_t i = 0; i < env->count; i++) {
		free(env->list[i]);
	}
	free(env->list);
	*env = (struct environment){0};
}

static char **find(const struct environment *env, const char *name) {
	size_t length = strlen(name);
	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->list[i], name, length) == 0 && env->list[i][length] == '=') {
			return &env->list[i];
		}
	}
	return NULL;
}

const char *environment_get(const struct environment *env, const char *name) {
	char **entry = find(env, name);
	return entry ? *entry + strlen(name) + 1 : NULL;
}

void environment_unset(struct environment *env, const char *name) {
	char **entry = find(env, name);
	if (entry) {
		free(*entry);
		/* The end of the list moves along. */
		memmove(entry, entry + 1, (env->count - (entry - env->list)) * sizeof(*entry));
		env->count--;
	}
}

void environment_set(struct environment *env, const char *name, const char *format, ...) {
	AUTO_FREE char *value = NULL;
	char *entry = NULL;
	va_list args;

	va_start(args, format);
	int size = vasprintf(&value, format, args);
	va_end(args);
	if (size < 0 || asprintf(&entry, "%s=%s", name, value) < 0) {
		value = size < 0 ? NULL : value;
		env->error = -ENOMEM;
		return;
	}
	environment_unset(env, name);
	add(env, entry);
}
