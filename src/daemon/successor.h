/* The new daemon's side of `scanoutd --replace`; handover.h tells how they speak. */
#ifndef SCANOUTD_SUCCESSOR_H
#define SCANOUTD_SUCCESSOR_H

struct manager;
struct passed;

struct successor {
	int socket; // to the running daemon; -1: there is none to replace
};

/*
 * Both of the two below. Returns 0, also if there is no daemon to replace (logged), or a negative
 * errno (logged).
 */
int successor_take_over(struct successor *successor, const char *directory, struct passed *passed,
	struct manager *manager);

/*
 * Asks the daemon that listens in `directory`. Returns 0 when the answer is awaited, -ENOENT if no
 * daemon listens, or another negative errno (logged).
 */
int successor_ask(struct successor *successor, const char *directory);
/*
 * Waits for the answer, and adds what was handed over to `passed`; the table of leases goes to the
 * manager. Returns 0, or a negative errno (logged).
 */
int successor_receive(struct successor *successor, struct passed *passed, struct manager *manager);

/*
 * Everything is taken over: lets the running daemon end, if all cards are prepared. Returns 0, or
 * -EBUSY (logged) if they are not: then this daemon has to end.
 *
 * The socket is closed by nothing but this and the end of the process, with the last of its
 * threads, since that is when the running daemon goes on.
 */
int successor_confirm(struct successor *successor, const struct manager *manager);

#endif
