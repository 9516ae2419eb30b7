#include "run/libseat.h"

#include <dlfcn.h>
#include <errno.h>
#include <libseat.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/socket.h"

/* A library that takes this long does not answer at all: a busy machine needs far less. */
#define PATIENCE_USEC (10 * UINT64_C(1000000))

/* How the prober ends. */
enum {
	EXIT_NEITHER = 1,
	EXIT_OLD = 7,
	EXIT_NEW = 9,
};

static void ignore(struct libseat *seat, void *data) {
}

/*
 * The new one takes the reply to its disable_seat at once. The old one does not wait for it, and
 * finds it in place of the reply to what it asks next, which is a refusal. The new one loses the
 * errno of that when it has looked at events (EAGAIN in 0.9.1).
 */
static int probe(void *library) {
	static const struct libseat_seat_listener listener = {ignore, ignore};
	__typeof__(libseat_open_seat) *open_seat = dlsym(library, "libseat_open_seat");
	__typeof__(libseat_disable_seat) *disable_seat = dlsym(library, "libseat_disable_seat");
	__typeof__(libseat_open_device) *open_device = dlsym(library, "libseat_open_device");
	struct libseat *seat =
		open_seat && disable_seat && open_device ? open_seat(&listener, NULL) : NULL;
	int fd;

	if (!seat || disable_seat(seat) < 0) {
		return EXIT_NEITHER;
	}
	errno = 0;
	if (open_device(seat, "/", &fd) >= 0) {
		return EXIT_NEITHER;
	}
	return errno == EBADMSG                     ? EXIT_OLD
	       : errno == ENOENT || errno == EAGAIN ? EXIT_NEW
						    : EXIT_NEITHER;
}

/* In the child. Nothing of ours is open there, the lease least of all. */
static _Noreturn void run_prober(const char *path) {
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	bool is_set =
		setenv("LIBSEAT_BACKEND", "seatd", 1) == 0 && setenv("SEATD_SOCK", path, 1) == 0;
	void *library = is_set ? dlopen("libseat.so.1", RTLD_NOW) : NULL;
	_exit(library ? probe(library) : EXIT_NEITHER);
}

static int handle_exit(sd_event_source *source, const siginfo_t *info, void *data) {
	int *status = data;
	*status = info->si_code == CLD_EXITED ? info->si_status : EXIT_NEITHER;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* Serves the prober until it ends. */
static int serve(struct seatd *seatd, int listener, pid_t pid, int *status) {
	sd_event *event = seatd->event;
	int r = seatd_listen(seatd, listener);
	if (r < 0) {
		close(listener);
		return r;
	}
	if ((r = sd_event_add_child(event, NULL, pid, WEXITED, handle_exit, status)) < 0 ||
		(r = sd_event_add_time_relative(
			 event, NULL, CLOCK_MONOTONIC, PATIENCE_USEC, 0, NULL, NULL)) < 0) {
		return r;
	}
	return sd_event_loop(event);
}

/* A seat on which there is no device. */
static int serve_probe(int listener, pid_t pid, int *status) {
	static const struct seat_options options = {
		.session = "probe", .name = "seat0", .card = ""};
	static const struct seat_lender lender = {0};
	sd_event *event = NULL;
	struct seat *seat = NULL;
	struct seatd *seatd = NULL;

	int r = sd_event_new(&event);
	if (r < 0 || (r = seat_create(&seat, event, &options, &lender, NULL)) < 0 ||
		(r = seatd_create(&seatd, event, seat, SEATD_DIALECT_0_9)) < 0) {
		close(listener);
	} else {
		r = serve(seatd, listener, pid, status);
	}
	seatd_destroy(seatd);
	seat_destroy(seat);
	sd_event_unref(event);
	return r;
}

enum seatd_dialect libseat_probe(const struct tempdir *dir) {
	AUTO_FREE char *path = tempdir_join(dir, "probe");
	int listener = path ? socket_listen(path, 0666) : -1;
	if (listener < 0) {
		return SEATD_DIALECT_UNKNOWN;
	}
	pid_t pid = fork();
	if (pid == 0) {
		run_prober(path);
	}
	if (pid < 0) {
		close(listener);
		return SEATD_DIALECT_UNKNOWN;
	}
	int status = -1;
	(void)serve_probe(listener, pid, &status);
	if (status < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	switch (status) {
	case EXIT_NEW:
		return SEATD_DIALECT_0_9;
	case EXIT_OLD:
		return SEATD_DIALECT_0_7;
	default:
		return SEATD_DIALECT_UNKNOWN;
	}
}
