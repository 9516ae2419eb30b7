/* The process of the command: starts it with its fds, waits for it, and signals it. */
#ifndef SCANOUT_RUN_CHILD_H
#define SCANOUT_RUN_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* The first fd that a command gets, as for sd_listen_fds(3). */
#define CHILD_FIRST_FD 3
#define CHILD_MAX_FDS 4

struct child {
	pid_t pid; // 0: not running
};

/*
 * Starts a command with a copy of fds[i] as fd 3 + i, the signal mask, and LISTEN_PID in its
 * environment if LISTEN_FDS is set. Returns negative errno, including that of a failed exec.
 */
int child_start(struct child *child, char *const argv[], char *const env[], const int fds[],
	int n_fds, const sigset_t *mask);
/*
 * Waits for every process that has exited, as the first process of a container must. True if the
 * command is one of them; ret_status is then its status, as in a shell.
 */
bool child_reap(struct child *child, int *ret_status);
void child_kill(const struct child *child, int signal_number);

#endif
