#include "daemon/util/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

static bool to_journal;
static int max_level = LOG_INFO;

void log_open(void) {
	/* systemd.exec(5): $JOURNAL_STREAM names the device and inode of the journal's stream, so
	 * that a redirected stderr is told apart from it. */
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	to_journal = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
		     fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_set_max_level(int level) {
	max_level = level;
}

void log_plain(int level, const char *format, ...) {
	va_list args;
	va_start(args, format);
	log_about(level, NULL, NULL, 0, format, args);
	va_end(args);
}

void log_about(int level, const char *subject, const struct iovec *fields, size_t n_fields,
	const char *format, va_list args) {
	if (level > max_level) {
		return;
	}

	int saved = errno;
	char text[1024];
	vsnprintf(text, sizeof(text), format, args);
	const char *colon = subject ? ": " : "";
	subject = subject ? subject : "";

	if (to_journal) {
		char message[1280], priority[32];
		snprintf(message, sizeof(message), "MESSAGE=%s%s%s", subject, colon, text);
		snprintf(priority, sizeof(priority), "PRIORITY=%d", level);
		struct iovec entry[2 + LOG_FIELDS_MAX] = {
			{message, strlen(message)}, {priority, strlen(priority)}};
		for (size_t i = 0; i < n_fields; i++) {
			entry[2 + i] = fields[i];
		}
		sd_journal_sendv(entry, (int)(2 + n_fields));
	} else {
		fprintf(stderr, "scanoutd: %s%s%s\n", subject, colon, text);
	}
	errno = saved;
}
