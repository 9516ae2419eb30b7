/* The calls that fail, in the place of libc's. See fault.h. */
#include "fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "starve.h"

static struct fault *fault, *page; // the first one until the end
static enum fault_process self;

/* Returns the error that this call has, or 0. */
static int reach(const char *name, const int *errors, unsigned n_errors) {
	if (!fault || fault->where != self || fault->call == 0 || gettid() != getpid() ||
		--fault->call > 0) {
		return 0;
	}
	int error = errors[fault->error % n_errors];
	if (!fault->is_fatal)
		dprintf(STDERR_FILENO, "fault: %s: %s\n", name,
			fault->is_fatal ? "killed" : strerror(error));
	if (fault->is_fatal) {
		kill(getpid(), SIGKILL);
	}
	fault->n_errors = n_errors;
	return error;
}

/* Looking up a name must not be what starves. */
static void *find_next(const char *name) {
	starve_pause();
	void *next = dlsym(RTLD_NEXT, name);
	starve_resume();
	return next;
}

#define HOOK(type, failed, name, parameters, arguments, ...)                    \
	type name parameters {                                                  \
		static type(*next) parameters;                                  \
		static const int errors[] = {__VA_ARGS__};                      \
		int error = reach(#name, errors, sizeof(errors) / sizeof(int)); \
		if (error) {                                                    \
			errno = error;                                          \
			return failed;                                          \
		}                                                               \
		if (!next) {                                                    \
			*(void **)&next = find_next(#name);                     \
		}                                                               \
		return next arguments;                                          \
	}
#define VARIADIC(name, type, ...)                                               \
	int name(int a, type b, ...) {                                          \
		static int (*next)(int a, type b, ...);                         \
		static const int errors[] = {__VA_ARGS__};                      \
		int error = reach(#name, errors, sizeof(errors) / sizeof(int)); \
		va_list rest;                                                   \
		va_start(rest, b);                                              \
		void *c = va_arg(rest, void *);                                 \
		va_end(rest);                                                   \
		if (error) {                                                    \
			errno = error;                                          \
			return -1;                                              \
		}                                                               \
		if (!next) {                                                    \
			*(void **)&next = find_next(#name);                     \
		}                                                               \
		return next(a, b, c);                                           \
	}
#define CALL(name, parameters, arguments, ...) \
	HOOK(int, -1, name, parameters, arguments, __VA_ARGS__)
#define TRANSFER(name, parameters, arguments, ...) \
	HOOK(ssize_t, -1, name, parameters, arguments, __VA_ARGS__)

CALL(socket, (int a, int b, int c), (a, b, c), EMFILE, ENOMEM)
CALL(socketpair, (int a, int b, int c, int d[2]), (a, b, c, d), EMFILE, ENOMEM)
CALL(connect, (int a, const struct sockaddr *b, socklen_t c), (a, b, c), EAGAIN, ECONNREFUSED,
	ENOENT)
CALL(bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c), EADDRINUSE)
CALL(listen, (int a, int b), (a, b), EADDRINUSE)
CALL(accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d), EAGAIN, EMFILE,
	ECONNABORTED)
CALL(getsockopt, (int a, int b, int c, void *d, socklen_t *e), (a, b, c, d, e), ENOPROTOOPT, EINVAL,
	ENODATA)
CALL(setsockopt, (int a, int b, int c, const void *d, socklen_t e), (a, b, c, d, e), ENOMEM)
CALL(getsockname, (int a, struct sockaddr *b, socklen_t *c), (a, b, c), ENOBUFS)
CALL(shutdown, (int a, int b), (a, b), ENOTCONN)
TRANSFER(sendmsg, (int a, const struct msghdr *b, int c), (a, b, c), EAGAIN, EINTR, EPIPE, ENOBUFS,
	ETOOMANYREFS)
TRANSFER(send, (int a, const void *b, size_t c, int d), (a, b, c, d), EAGAIN, EPIPE, ENOBUFS)
TRANSFER(recvmsg, (int a, struct msghdr *b, int c), (a, b, c), EAGAIN, EINTR, ECONNRESET, ENOMEM)
TRANSFER(recv, (int a, void *b, size_t c, int d), (a, b, c, d), EAGAIN, EINTR, ECONNRESET)
TRANSFER(read, (int a, void *b, size_t c), (a, b, c), EAGAIN, EINTR, EIO)
TRANSFER(readv, (int a, const struct iovec *b, int c), (a, b, c), EAGAIN, EINTR, EIO)
TRANSFER(write, (int a, const void *b, size_t c), (a, b, c), EAGAIN, EPIPE)
TRANSFER(writev, (int a, const struct iovec *b, int c), (a, b, c), EAGAIN, EPIPE)
TRANSFER(getrandom, (void *a, size_t b, unsigned c), (a, b, c), EINTR, ENOSYS)
CALL(poll, (struct pollfd * a, nfds_t b, int c), (a, b, c), EINTR, ENOMEM)
CALL(ppoll, (struct pollfd * a, nfds_t b, const struct timespec *c, const sigset_t *d),
	(a, b, c, d), EINTR, ENOMEM)
CALL(pipe2, (int a[2], int b), (a, b), EMFILE)
CALL(dup2, (int a, int b), (a, b), EBUSY)
CALL(pidfd_open, (pid_t a, unsigned b), (a, b), EMFILE, ESRCH)
CALL(execv, (const char *a, char *const b[]), (a, b), ENOENT, ENOMEM)
CALL(sigaction, (int a, const struct sigaction *b, struct sigaction *c), (a, b, c), EINVAL)
CALL(sigprocmask, (int a, const sigset_t *b, sigset_t *c), (a, b, c), EINVAL)
CALL(signalfd, (int a, const sigset_t *b, int c), (a, b, c), EMFILE)
CALL(epoll_create1, (int a), (a), EMFILE)
CALL(epoll_ctl, (int a, int b, int c, struct epoll_event *d), (a, b, c, d), ENOMEM, ENOSPC)
CALL(epoll_wait, (int a, struct epoll_event *b, int c, int d), (a, b, c, d), EINTR)
CALL(timerfd_create, (int a, int b), (a, b), EMFILE)
VARIADIC(fcntl, int, EMFILE)
VARIADIC(fcntl64, int, EMFILE)
VARIADIC(ioctl, unsigned long, EIO)
HOOK(int, error, pthread_create,
	(pthread_t * a, const pthread_attr_t *b, void *(*c)(void *), void *d), (a, b, c, d), EAGAIN)
HOOK(FILE *, NULL, fopen, (const char *a, const char *b), (a, b), EMFILE, ENOENT)

pid_t fork(void) {
	static pid_t (*next)(void);
	static const int errors[] = {EAGAIN, ENOMEM};
	int error = reach("fork", errors, sizeof(errors) / sizeof(int));
	if (error) {
		errno = error;
		return -1;
	}
	if (!next) {
		*(void **)&next = find_next("fork");
	}
	pid_t pid = next();
	self = pid == 0 ? FAULT_CHILD : self;
	return pid;
}

int open(const char *a, int b, ...) {
	static int (*next)(const char *a, int b, ...);
	static const int errors[] = {EMFILE, ENOENT, EACCES};
	int error = reach("open", errors, sizeof(errors) / sizeof(int));
	va_list rest;
	va_start(rest, b);
	mode_t c = b & O_CREAT ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	if (error) {
		errno = error;
		return -1;
	}
	if (!next) {
		*(void **)&next = find_next("open");
	}
	return next(a, b, c);
}

int prctl(int a, ...) {
	static int (*next)(int a, ...);
	static const int errors[] = {EINVAL};
	int error = reach("prctl", errors, 1);
	va_list rest;
	va_start(rest, a);
	unsigned long b = va_arg(rest, unsigned long), c = va_arg(rest, unsigned long),
		      d = va_arg(rest, unsigned long), e = va_arg(rest, unsigned long);
	va_end(rest);
	if (error) {
		errno = error;
		return -1;
	}
	if (!next) {
		*(void **)&next = find_next("prctl");
	}
	return next(a, b, c, d, e);
}

/* Before main(): which process this is, and the page. */
static void __attribute__((constructor)) begin(int argc, char *argv[]) {
	const char *number = getenv(FAULT_VARIABLE);
	bool is_instance = argc > 1 && strncmp(argv[1], "--instance", 10) == 0;
	self = is_instance ? FAULT_INSTANCE : FAULT_DOOR;
	fault = page = number ? fault_map(atoi(number)) : NULL;
	if (fault && fault->where == self) {
		starve_obey(&fault->allocation);
	}
}

/* Leaks are looked for only where something has failed: that takes longer than all else. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
	return !page || page->where != self;
}

/* The undertaker's threads end by themselves, and have an fd until then. */
static void wait_for_threads(void) {
	struct stat tasks;
	while (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3) {
		sched_yield();
	}
}

/* What a process has open when it has let go of everything is a leak; but the 3 that it was passed,
 * if it has not come so far as to take that. */
static void __attribute__((destructor)) end(void) {
	const char *number = getenv(FAULT_VARIABLE);
	fault = NULL;
	starve(0);
	wait_for_threads();
	for (int fd = 4; number && fd < 1024; fd++) {
		char path[32], target[64] = "";
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fd != atoi(number) && readlink(path, target, sizeof(target) - 1) > 0) {
			dprintf(STDERR_FILENO, "fault: fd %d is left: %s\n", fd, target);
		}
	}
}
