#include "common/undertaker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A close that no signal interrupts keeps its thread: such as that of a lease, of which a container
 * has few. */
#define MAX_THREADS 16
#define STACK_BYTES (256 * 1024)

struct undertaker {
	int ends[2];        // of a pipe that carries the numbers of the fds to close
	atomic_uint n_open; // fds that were taken over and are not closed yet
	atomic_uint
		n_owners; // who uses this: the threads, and the caller until undertaker_destroy()
	pthread_t threads[MAX_THREADS];
	unsigned n_threads;
};

/* Does nothing but interrupt a call. */
static void handle_signal(int number) {
}

static void release(struct undertaker *undertaker) {
	if (atomic_fetch_sub(&undertaker->n_owners, 1) == 1) {
		close(undertaker->ends[0]);
		free(undertaker);
	}
}

static void *run(void *data) {
	struct undertaker *undertaker = data;
	sigset_t set;
	int fd;
	ssize_t n;
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	while ((n = read(undertaker->ends[0], &fd, sizeof(fd))) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0) {
			close(fd);
			atomic_fetch_sub(&undertaker->n_open, 1);
		}
	}
	release(undertaker);
	return NULL;
}

static void add_thread(struct undertaker *undertaker) {
	sigset_t all, before;
	pthread_attr_t attributes;
	/* The program's signals are for its loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES); // LimitDATA= counts them
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&undertaker->n_owners, 1);
	if (pthread_create(&undertaker->threads[undertaker->n_threads], &attributes, run,
		    undertaker) == 0) {
		undertaker->n_threads++;
	} else {
		atomic_fetch_sub(&undertaker->n_owners, 1);
	}
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* More waits than there are threads: a signal ends what lingers, another thread does the rest. */
static void hurry(struct undertaker *undertaker) {
	for (unsigned i = 0; i < undertaker->n_threads; i++) {
		pthread_kill(undertaker->threads[i], SIGURG);
	}
	if (undertaker->n_threads < MAX_THREADS) {
		add_thread(undertaker);
	}
}

int undertaker_new(struct undertaker **ret) {
	struct sigaction action = {.sa_handler = handle_signal}; // without SA_RESTART
	struct undertaker *undertaker = calloc(1, sizeof(*undertaker));
	if (!undertaker) {
		return -ENOMEM;
	}
	if (sigaction(SIGURG, &action, NULL) < 0 || pipe2(undertaker->ends, O_CLOEXEC) < 0) {
		int r = -errno;
		free(undertaker);
		return r;
	}
	/* A full pipe, of thousands that wait, is no reason to wait as well. */
	(void)fcntl(undertaker->ends[1], F_SETFL, O_NONBLOCK);
	undertaker->n_owners = 1;
	*ret = undertaker;
	return 0;
}

void undertaker_close(struct undertaker *undertaker, int fd) {
	if (fd < 0) {
		return;
	}
	if (atomic_fetch_add(&undertaker->n_open, 1) >= undertaker->n_threads) {
		hurry(undertaker);
	}
	if (undertaker->n_threads == 0 ||
		write(undertaker->ends[1], &fd, sizeof(fd)) != sizeof(fd)) {
		atomic_fetch_sub(&undertaker->n_open, 1);
		close(fd); // nobody else can
	}
}

void undertaker_hang_up(struct undertaker *undertaker, int fd) {
	int n_queued = 0;
	/* From here on its peer can queue nothing more. */
	if (fd >= 0 && shutdown(fd, SHUT_RDWR) == 0 && ioctl(fd, FIONREAD, &n_queued) == 0 &&
		n_queued == 0) {
		close(fd);
		return;
	}
	undertaker_close(undertaker, fd);
}

void undertaker_destroy(struct undertaker *undertaker) {
	if (undertaker) {
		close(undertaker->ends[1]);
		release(undertaker);
	}
}
