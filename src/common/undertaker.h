/*
 * Closes what others may have made slow to close. The last close of a connection also closes the
 * fds that its peer queued in it unread, and some of these wait: a TCP socket that lingers, a lease
 * whose framebuffers somebody's commit holds. Such a close is done by threads, away from the loop.
 */
#ifndef SCANOUT_UNDERTAKER_H
#define SCANOUT_UNDERTAKER_H

struct undertaker;

/* Starts no thread before there is something to close. Returns 0 or a negative errno. */
int undertaker_new(struct undertaker **ret);
/* Takes the fd over. */
void undertaker_close(struct undertaker *undertaker, int fd);
/*
 * The same for a connection that nobody else has: hangs up, and if then nothing is queued there,
 * closes it at once.
 */
void undertaker_hang_up(struct undertaker *undertaker, int fd);
/* Does not wait: threads that have more to close go on. NULL is fine. */
void undertaker_destroy(struct undertaker *undertaker);

#endif
