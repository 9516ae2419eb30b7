/* The last picture of a lease that asked for it stays for a while after the holder is gone. */
#ifndef SCANOUTD_LINGER_H
#define SCANOUTD_LINGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct scanout;
struct state_lease;

/*
 * When the last copy of a lease's file is closed, the kernel takes its framebuffers off the card
 * before anybody hears of it. So we keep a copy, and with it the picture, and hear of the holder's
 * end from the process that asked: when that is gone, the picture is made ours and our copy is
 * closed. If it was the last one, the lease ends by itself and the picture stands; if others have
 * the file, the lease is theirs and goes on.
 */
struct linger;

struct linger_listener {
	void (*asker_gone)(struct scanout *scanout); // linger_is_due() from now on
	void (*over)(struct scanout *scanout);       // its time
};

/*
 * Prepares it for the lease of `lease_fd`, which the caller keeps. `pid` is of the process that
 * asked, and alive: its connection was a moment ago.
 */
int linger_new(sd_event *event, uint64_t usec, int lease_fd, pid_t pid, struct linger **ret);
/* The lease has begun: takes over `linger`, which may be NULL, in the place of an earlier one. */
void linger_begin(
	struct scanout *scanout, struct linger *linger, const struct linger_listener *listener);
/* NULL is fine. */
void linger_destroy(struct linger *linger);

/* After a restart of the daemon: of a lease that goes on, or of a picture that stands. Takes over
 * the fds of `found`. Returns 0 or a negative errno: then the last picture goes with the lease. */
int linger_restore(
	struct scanout *scanout, struct state_lease *found, const struct linger_listener *listener);

/* Our copy of the lease's file, for the worker to close; -1 if there is none. */
int linger_take_copy(struct scanout *scanout);
/* Whether the copy is to go, since the process that asked is gone. */
bool linger_is_due(const struct scanout *scanout);
/* The picture stands: it does so for its time from now on. False if it was not to linger. */
bool linger_start(struct scanout *scanout);
/* Whether it does. */
bool linger_is_on(const struct scanout *scanout);
/* It is not to linger after all. */
void linger_give_up(struct scanout *scanout);

/* How long it shall, in µs; 0 also if it cannot any more, since others have the lease. And until
 * when, CLOCK_MONOTONIC, once it does. */
uint64_t linger_usec(const struct scanout *scanout);
uint64_t linger_until(const struct scanout *scanout);

#endif
