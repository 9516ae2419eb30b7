#include "run/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Two steps, since one descriptor's place may be where another one still is. */
static int place_fds(const int fds[], int n_fds) {
	int moved[CHILD_MAX_FDS];
	for (int i = 0; i < n_fds; i++) {
		moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, CHILD_FIRST_FD + n_fds);
		if (moved[i] < 0) {
			return -errno;
		}
	}
	for (int i = 0; i < n_fds; i++) {
		if (dup2(moved[i], CHILD_FIRST_FD + i) < 0) {
			return -errno;
		}
	}
	return 0;
}

/* Only the child knows its number. There is room for one more pointer after the last. */
static void set_listen_pid(char **env, char *text, size_t size) {
	bool listens = false;
	for (; *env; env++) {
		listens |= strncmp(*env, "LISTEN_FDS=", 11) == 0;
	}
	if (listens) {
		snprintf(text, size, "LISTEN_PID=%d", (int)getpid());
		env[0] = text;
		env[1] = NULL;
	}
}

static char **copy_env(char *const env[]) {
	size_t count = 0;
	while (env[count]) {
		count++;
	}
	char **copy = calloc(count + 2, sizeof(*copy));
	if (copy) {
		memcpy(copy, env, count * sizeof(*copy));
	}
	return copy;
}

int child_start(struct child *child, char *const argv[], char *const env[], const int fds[],
	int n_fds, const sigset_t *mask) {
	AUTO_FREE char **copy = copy_env(env);
	int ends[2];
	if (!copy) {
		return -ENOMEM;
	}
	if (n_fds > CHILD_MAX_FDS || pipe2(ends, O_CLOEXEC) < 0) {
		return n_fds > CHILD_MAX_FDS ? -E2BIG : -errno;
	}
	AUTO_CLOSE int report = ends[0];

	pid_t pid = fork();
	if (pid < 0) {
		int r = -errno;
		close(ends[1]);
		return r;
	}
	if (pid == 0) {
		char listen_pid[32];
		/* Out of the way of what place_fds() puts low. */
		int out = fcntl(ends[1], F_DUPFD_CLOEXEC, CHILD_FIRST_FD + 2 * CHILD_MAX_FDS);
		int error = out < 0 ? -errno : place_fds(fds, n_fds);
		if (error == 0) {
			set_listen_pid(copy, listen_pid, sizeof(listen_pid));
			sigprocmask(SIG_SETMASK, mask, NULL);
			execvpe(argv[0], argv, copy);
			error = -errno;
		}
		_exit(write(out, &error, sizeof(error)) == sizeof(error) ? 0 : 1);
	}
	close(ends[1]);

	int error;
	ssize_t size;
	do {
		size = read(report, &error, sizeof(error));
	} while (size < 0 && errno == EINTR);
	if (size == sizeof(error)) {
		(void)waitpid(pid, NULL, 0);
		return error;
	}
	child->pid = pid;
	return 0;
}

bool child_reap(struct child *child, int *ret_status) {
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == child->pid) {
			child->pid = 0;
			*ret_status =
				WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			ended = true;
		}
	}
	return ended;
}

void child_kill(const struct child *child, int signal_number) {
	if (child->pid > 0) {
		(void)kill(child->pid, signal_number);
	}
}
