/* scanout-run: gets a scanout, provides the seat, and runs an unpatched compositor on it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "session.h"

#define SECOND UINT64_C(1000000)
#define MAX_BACKOFF_USEC (30 * SECOND)
/* A command that ran this long did not fail because of how it was started. */
#define GOOD_RUN_USEC (60 * SECOND)
/* How long a compositor without a lease may take to end. */
#define KILL_USEC (5 * SECOND)

struct run {
	const struct options *options;
	sd_event *event;
	struct link link;
	struct session session;
	struct child child;
	sigset_t mask;          // the command's
	sd_event_source *timer; // to restart, or to kill; may be NULL
	uint64_t started_usec;
	uint64_t backoff_usec;
	bool is_stopping; // was told to end: no restart
	bool was_revoked; // is ended by us, which counts as a failure
};

static const int signals[] = {
	SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD};

static uint64_t now_usec(const struct run *run) {
	uint64_t usec = 0;
	(void)sd_event_now(run->event, CLOCK_MONOTONIC, &usec);
	return usec;
}

/* What is held goes back now: sd-bus closes its connections when the loop ends. */
static int stop(struct run *run, int status) {
	link_release(&run->link);
	return sd_event_exit(run->event, status);
}

static void set_timer(struct run *run, uint64_t usec, sd_event_time_handler_t handler) {
	run->timer = sd_event_source_disable_unref(run->timer);
	int r = sd_event_add_time_relative(
		run->event, &run->timer, CLOCK_MONOTONIC, usec, 0, handler, run);
	if (r < 0) {
		say("Cannot set a timer: %s", strerror(-r));
		(void)stop(run, EXIT_OWN_FAILURE);
	}
}

/* The exit status for a command that could not be started; tells why. */
static int explain_start(const struct run *run, int r) {
	const char *command = run->options->command[0];
	switch (r) {
	case -ENOENT:
		if (strchr(command, '/') && access(command, F_OK) == 0) {
			say("Command '%s' is here, but not what runs it: install the program that "
			    "its first line names, or its dynamic loader",
				command);
		} else {
			say("Command '%s' is not in this image: install it, or correct its name",
				command);
		}
		return EXIT_NOT_FOUND;
	case -EACCES:
	case -ENOEXEC:
	case -EISDIR:
	case -ELIBBAD:
		say("Command '%s' is not executable: make it so, or name another", command);
		return EXIT_NOT_EXECUTABLE;
	case -EPERM:
		say("Command '%s' has file capabilities that this container lacks: start it with "
		    "--cap-add, or type 'setcap -r' on it in the image",
			command);
		return EXIT_NOT_EXECUTABLE;
	default:
		say("Cannot start '%s': %s", command, strerror(-r));
		return EXIT_OWN_FAILURE;
	}
}

static int handle_restart(sd_event_source *source, uint64_t usec, void *data);

static void restart_later(struct run *run) {
	if (now_usec(run) - run->started_usec >= GOOD_RUN_USEC) {
		run->backoff_usec = SECOND;
	}
	say("Starting it again in %u s", (unsigned)(run->backoff_usec / SECOND));
	set_timer(run, run->backoff_usec, handle_restart);
	run->backoff_usec *= 2;
	if (run->backoff_usec > MAX_BACKOFF_USEC) {
		run->backoff_usec = MAX_BACKOFF_USEC;
	}
}

static int handle_restart(sd_event_source *source, uint64_t usec, void *data) {
	struct run *run = data;
	run->started_usec = now_usec(run);
	if (session_start(&run->session, &run->child, &run->mask) < 0) {
		restart_later(run); /* link_request() told why, or it is gone for now */
	}
	return 0;
}

static int handle_kill(sd_event_source *source, uint64_t usec, void *data) {
	struct run *run = data;
	child_kill(&run->child, SIGKILL);
	return 0;
}

static void handle_end(struct run *run, int status) {
	run->timer = sd_event_source_disable_unref(run->timer);
	session_end(&run->session);
	bool failed = status != 0 || run->was_revoked;
	run->was_revoked = false;
	if (failed && run->options->restart && !run->is_stopping) {
		say("'%s' ended with status %d", run->options->command[0], status);
		restart_later(run);
	} else {
		(void)stop(run, status);
	}
}

static int handle_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
	struct run *run = data;
	int number = info->ssi_signo, status;

	if (number == SIGCHLD) {
		if (child_reap(&run->child, &status)) {
			handle_end(run, status);
		}
		return 0;
	}
	if (number == SIGTERM || number == SIGINT || number == SIGQUIT) {
		run->is_stopping = true;
		if (run->child.pid == 0) {
			return stop(run, 128 + number);
		}
	}
	/* From the terminal it went to the command as well. */
	if (info->ssi_code != SI_KERNEL) {
		child_kill(&run->child, number);
	}
	return 0;
}

static void handle_revoked(void *data, const char *reason) {
	struct run *run = data;
	say("scanoutd has taken %s back (%s); ending the command", run->link.id, reason);
	run->was_revoked = true;
	/* It may be that nobody has asked for it yet. */
	grant_finish(&run->session.grant);
	if (run->session.seat) {
		seat_pause(run->session.seat);
	}
	child_kill(&run->child, SIGTERM);
	if (run->child.pid > 0) {
		set_timer(run, KILL_USEC, handle_kill);
	}
}

static void handle_resized(void *data) {
	struct run *run = data;
	session_resize(&run->session);
}

/* Compositors set their modes again when they resume: the other session has set its own. */
static void handle_paused(void *data, bool paused) {
	struct run *run = data;
	if (run->session.seat && paused) {
		seat_pause(run->session.seat);
	} else if (run->session.seat) {
		seat_resume(run->session.seat);
	}
}

static const struct link_events link_events = {
	.revoked = handle_revoked,
	.resized = handle_resized,
	.paused = handle_paused,
};

static int run_init(struct run *run, const struct options *options) {
	sigset_t set;
	*run = (struct run){.options = options, .backoff_usec = SECOND};
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, &run->mask) < 0) {
		return -errno;
	}
	int r = sd_event_new(&run->event);
	for (size_t i = 0; r >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		r = sd_event_add_signal(run->event, NULL, signals[i], handle_signal, run);
	}
	return r < 0 ? r : link_init(&run->link, run->event, &link_events, run);
}

/* Told to end before there was anything to run. */
static int take_pending_signal(void) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	int number = sigtimedwait(&set, NULL, &(struct timespec){0});
	return number > 0 ? 128 + number : EXIT_OWN_FAILURE;
}

static int run_command(struct run *run) {
	int r = session_open(&run->session, run->event, run->options, &run->link);
	if (r == -EINTR) {
		return take_pending_signal();
	}
	if (r < 0) {
		return EXIT_OWN_FAILURE;
	}
	run->started_usec = now_usec(run);
	r = session_start(&run->session, &run->child, &run->mask);
	if (r < 0) {
		return explain_start(run, r);
	}
	r = sd_event_loop(run->event);
	if (r < 0) {
		say("The event loop failed: %s", strerror(-r));
		child_kill(&run->child, SIGKILL);
		return EXIT_OWN_FAILURE;
	}
	return r;
}

int main(int argc, char *argv[]) {
	struct options options;
	struct run run;

	int r = options_parse(&options, argc, argv);
	if (r != 0) {
		return r > 0 ? EXIT_SUCCESS : EXIT_OWN_FAILURE;
	}
	r = run_init(&run, &options);
	if (r < 0) {
		say("Cannot prepare: %s", strerror(-r));
		return EXIT_OWN_FAILURE;
	}
	int status = run_command(&run);
	session_close(&run.session);
	link_finish(&run.link);
	sd_event_source_disable_unref(run.timer);
	sd_event_unref(run.event);
	return status;
}
