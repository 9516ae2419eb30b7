#include "log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#include "lease.h"
#include "scanout.h"

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

static void send_to_journal(int level, const struct scanout *scanout, const char *text) {
	if (!scanout) {
		sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d", level, NULL);
		return;
	}
	const struct lease *lease = scanout->lease;
	sd_journal_send("MESSAGE=%s: %s", scanout->id, text, "PRIORITY=%d", level, "SCANOUT_ID=%s",
		scanout->id, "SCANOUT_STATE=%s", scanout_state_name(scanout->state),
		"SCANOUT_LABEL=%s", lease ? lease->label : "", "SCANOUT_LESSEE=%" PRIu32,
		lease ? lease->lessee : 0, "SCANOUT_GENERATION=%" PRIu64, scanout->generation,
		"SCANOUT_UID=%d", lease ? (int)lease->holder.uid : -1, "SCANOUT_PID=%d",
		lease ? (int)lease->holder.pid : -1, "SCANOUT_CONTAINER=%s",
		lease ? lease->holder.container : "", NULL);
}

void log_object(int level, const struct scanout *scanout, const char *format, ...) {
	if (level > max_level) {
		return;
	}

	int saved = errno;
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	if (to_journal) {
		send_to_journal(level, scanout, text);
	} else {
		fprintf(stderr, "scanoutd: %s%s%s\n", scanout ? scanout->id : "",
			scanout ? ": " : "", text);
	}
	errno = saved;
}
