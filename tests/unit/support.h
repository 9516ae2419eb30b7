/* What all tests share: the includes of cmocka, waiting on an event loop, temporary files. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

/* cmocka.h needs these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "patience.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Runs the event loop until the condition holds. Without memory (starve.h) the loop may fail as
 * well: the daemon would end then, and be started again.
 */
#define run_until(event, condition)                                                              \
	do {                                                                                     \
		uint64_t run_until_since_ = patience_begin(#condition);                          \
		while (!(condition)) {                                                           \
			int run_until_r_ = sd_event_run(event, patience_step(run_until_since_)); \
			assert_true(run_until_r_ >= 0 || run_until_r_ == -ENOMEM);               \
		}                                                                                \
		patience_end();                                                                  \
	} while (0)

/* Handles what is pending, without waiting for anything more. */
void run_pending(sd_event *event);

/* A new directory below $TMPDIR; the caller frees the path. */
char *make_directory(void);
/* Removes it with everything in it, and frees the path. NULL is fine. */
void remove_directory(char *path);
/* Writes DIRECTORY/NAME and returns its path, which the caller frees. */
char *write_file(const char *directory, const char *name, const void *content, size_t size);
char *write_text(const char *directory, const char *name, const char *text);

/* Waits until there is something to read, or the other end is gone. */
void wait_readable(int fd, const char *what);

/* How many files a process has open; 0 if it is gone. */
unsigned count_fds(pid_t pid);
/* Waits for the end of a child. Returns its wait status. */
int wait_for_exit(pid_t pid);

#endif
