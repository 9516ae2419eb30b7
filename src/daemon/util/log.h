/* The daemon's log: journal with fields under systemd, plain lines on stderr by hand. */
#ifndef SCANOUTD_LOG_H
#define SCANOUTD_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/uio.h>
#include <syslog.h>

#define LOG_FIELDS_MAX 8

/* Finds out where to log. Call once, before the first line. */
void log_open(void);
/* Drops messages less important than a syslog priority; LOG_INFO at first. */
void log_set_max_level(int level);

/* Logs a sentence with a syslog priority. errno is left as it was; "%m" works. */
#define log_message(level, ...) log_plain(level, __VA_ARGS__)
#define log_error(...) log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

void log_plain(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Logs a sentence about something: the line starts with `subject`, and the journal entry carries
 * up to LOG_FIELDS_MAX more fields, each "NAME=value" without a NUL. `fields` may be NULL if
 * `n_fields` is 0.
 */
void log_about(int level, const char *subject, const struct iovec *fields, size_t n_fields,
	const char *format, va_list args) __attribute__((format(printf, 5, 0)));

#endif
