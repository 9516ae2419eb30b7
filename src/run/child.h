/* The command: started with its descriptors in place, watched, and asked to end. */
#ifndef SCANOUT_RUN_CHILD_H
#define SCANOUT_RUN_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* The first descriptor that a command is handed, as sd_listen_fds(3) has it. */
#define CHILD_FIRST_FD 3
#define CHILD_MAX_FDS 4

struct child {
	pid_t pid; // 0: not running
};

/*
 * Starts a command with a copy of fds[i] as descriptor 3 + i, the signal mask, and LISTEN_PID in
 * its environment if LISTEN_FDS is there. Returns negative errno also if the command cannot be
 * executed.
 */
int child_start(struct child *child, char *const argv[], char *const env[], const int fds[],
	int n_fds, const sigset_t *mask);
/*
 * Collects every process that has ended, as the first process in a container has to. True if the
 * command is among them, with its status as a shell tells it.
 */
bool child_reap(struct child *child, int *ret_status);
void child_kill(const struct child *child, int signal_number);

#endif
