/* The daemon's log: journal with fields under systemd, plain lines on stderr by hand. */
#ifndef SCANOUTD_LOG_H
#define SCANOUTD_LOG_H

#include <syslog.h>

struct scanout;

/* Finds out where to log. Call once, before the first line. */
void log_open(void);
/* Drops messages less important than a syslog priority; LOG_INFO at first. */
void log_set_max_level(int level);

/* Logs a sentence with a syslog priority. errno is left as it was; "%m" works. */
#define log_message(level, ...) log_object(level, NULL, __VA_ARGS__)
#define log_error(...) log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

/*
 * The same about one scanout: the line starts with its id, and the journal entry carries
 * SCANOUT_ID=, SCANOUT_STATE=, SCANOUT_LABEL=, SCANOUT_LESSEE=, SCANOUT_GENERATION=,
 * SCANOUT_UID=, SCANOUT_PID= and SCANOUT_CONTAINER=.
 */
void log_object(int level, const struct scanout *scanout, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
