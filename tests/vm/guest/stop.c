#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

int stop_open(void) {
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* True if nothing more can come from standard input. */
static int drain_input(void) {
	char bytes[256];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	return n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
}

int stop_wait(int stop_fd) {
	struct pollfd fds[2] = {
		{.fd = stop_fd, .events = POLLIN},
		{.fd = -1, .events = POLLIN},
	};
	struct stat st;

	if (fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
		fds[1].fd = STDIN_FILENO;
	}
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR) {
			return -errno;
		}
		if (fds[0].revents || (fds[1].revents && drain_input())) {
			return 0;
		}
	}
}
