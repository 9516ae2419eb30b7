/* The first thing that is wrong in the configuration, and where. */
#ifndef SCANOUTD_CONFIG_ERROR_H
#define SCANOUTD_CONFIG_ERROR_H

#include <stdbool.h>
#include <stddef.h>

struct config_error {
	const char *path; // where the reader is
	int line;
	char *text; // "PATH:LINE: what is wrong"; empty at first
	size_t size;
};

/* Says what is wrong, unless something was before. Always returns false. */
bool config_error_set(struct config_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
