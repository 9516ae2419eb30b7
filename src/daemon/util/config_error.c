#include "daemon/util/config_error.h"

#include <stdarg.h>
#include <stdio.h>

bool config_error_set(struct config_error *error, const char *format, ...) {
	if (error->text[0] != '\0') {
		return false;
	}
	int n = snprintf(error->text, error->size, "%s:%d: ", error->path, error->line);
	if (n >= 0 && (size_t)n < error->size) {
		va_list args;
		va_start(args, format);
		vsnprintf(error->text + n, error->size - n, format, args);
		va_end(args);
	}
	return false;
}
