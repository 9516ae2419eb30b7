#include "common/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define QUIET_USEC (10 * UINT64_C(1000000))

/* One write for the line, since the command writes to the same place. errno is left as it was. */
static void say_text(const char *format, va_list args, unsigned n_unsaid) {
	int saved = errno;
	char text[1024], unsaid[64] = "";
	vsnprintf(text, sizeof(text), format, args);
	if (n_unsaid > 0) {
		snprintf(unsaid, sizeof(unsaid), " (and %u messages like this before)", n_unsaid);
	}
	fprintf(stderr, "%s: %s%s\n", program_invocation_short_name, text, unsaid);
	errno = saved;
}

void say(const char *format, ...) {
	va_list args;
	va_start(args, format);
	say_text(format, args, 0);
	va_end(args);
}

void say_seldom(struct seldom *seldom, const char *format, ...) {
	struct timespec time;
	va_list args;
	clock_gettime(CLOCK_MONOTONIC, &time);
	uint64_t now = (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
	if (now < seldom->quiet_until) {
		seldom->n_unsaid++;
		return;
	}
	va_start(args, format);
	say_text(format, args, seldom->n_unsaid);
	va_end(args);
	*seldom = (struct seldom){.quiet_until = now + QUIET_USEC};
}
