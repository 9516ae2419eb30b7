#include "common/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* One write for the line, since the command writes to the same place. errno is left as it was. */
void say(const char *format, ...) {
	int saved = errno;
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
	errno = saved;
}
