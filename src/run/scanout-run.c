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
#include "run/desktop.h"
#include "run/hint.h"
#include "run/tree.h"

#define SECOND UINT64_C(1000000)
#define MAX_BACKOFF_USEC (30 * SECOND)
/* A command that ran this long did not fail because of how it was started. */
#define GOOD_RUN_USEC (60 * SECOND)
/* How long a command that was told to end may take, and what it left behind. */
#define KILL_USEC (5 * SECOND)

struct run {
	const struct options *options;
	sd_event *event;
	struct scanout_client client;
	struct session session;
	struct child child;
	struct tree tree;       // of the command, with all that it started
	sigset_t mask;          // the command's
	sd_event_source *timer; // to restart, or to kill; may be NULL
	int status;             // of the command that has ended
	bool is_ending;         // … and has left something behind, which is to end as well
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
	scanout_client_release(&run->client);
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
			say("Command '%s' exists, but the program that runs it does not: install "
			    "the one that its first line names, or its dynamic loader",
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
		say("Command '%s' may not be executed here; if it has file capabilities, as "
		    "'getcap' shows, type 'setcap -r' on it in the image",
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
	run->timer = sd_event_source_disable_unref(run->timer);
	run->started_usec = now_usec(run);
	if (desktop_start(&run->session, &run->child, &run->mask) < 0) {
		restart_later(run); /* scanout_client_request() told why, or it is gone for now */
	}
	return 0;
}

/* Again and again: one may have started another meanwhile, or hang in the kernel. */
static int handle_kill(sd_event_source *source, uint64_t usec, void *data) {
	struct run *run = data;
	say("'%s' has not exited in time: killing what is left of it", run->options->command[0]);
	(void)tree_signal(&run->tree, SIGKILL);
	child_kill(&run->child, SIGKILL); /* which may be all that is known */
	set_timer(run, KILL_USEC, handle_kill);
	return 0;
}

/* Nothing of the command is left. */
static void finish_end(struct run *run) {
	bool failed = run->status != 0 || run->was_revoked;
	run->timer = sd_event_source_disable_unref(run->timer);
	run->is_ending = false;
	run->was_revoked = false;
	if (failed && run->options->restart && !run->is_stopping) {
		say("'%s' exited with status %d", run->options->command[0], run->status);
		restart_later(run);
	} else {
		(void)stop(run, run->status);
	}
}

static void handle_end(struct run *run, int status) {
	if (status != 0 && !run->was_revoked && !run->is_stopping) {
		hint_failed(&run->session);
	}
	desktop_end(&run->session);
	run->status = status;
	run->is_ending = true;
	if (tree_signal(&run->tree, SIGTERM) > 0) {
		set_timer(run, KILL_USEC, handle_kill);
	} else {
		finish_end(run);
	}
}

/* The last one of a tree of processes is always a child of ours. */
static void handle_child(struct run *run) {
	int status;
	if (child_reap(&run->child, &status)) {
		handle_end(run, status);
	} else if (run->is_ending && tree_signal(&run->tree, 0) == 0) {
		finish_end(run);
	}
}

static int handle_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
	struct run *run = data;
	int number = info->ssi_signo;
	bool is_end = number == SIGTERM || number == SIGINT || number == SIGQUIT;

	if (number == SIGCHLD) {
		handle_child(run);
		return 0;
	}
	run->is_stopping |= is_end;
	if (is_end && run->child.pid == 0 && !run->is_ending) {
		return stop(run, 128 + number);
	}
	/* From the terminal it went to the command as well, which may live on. */
	if (info->ssi_code != SI_KERNEL) {
		child_kill(&run->child, number);
		if (is_end && !run->timer) {
			set_timer(run, KILL_USEC, handle_kill);
		}
	}
	return 0;
}

static void handle_revoked(void *data, const char *reason) {
	struct run *run = data;
	say("scanoutd has ended the lease on %s (%s); stopping the command", run->client.id,
		reason);
	run->was_revoked = true;
	/* It may be that nobody has asked for it yet. */
	scanout_grant_finish(&run->session.grant);
	if (run->session.seat) {
		seat_pause(run->session.seat);
	}
	if (run->child.pid > 0) {
		if (tree_signal(&run->tree, SIGTERM) == 0) {
			child_kill(&run->child, SIGTERM);
		}
		set_timer(run, KILL_USEC, handle_kill);
	}
}

static void handle_resized(void *data) {
	struct run *run = data;
	desktop_resize(&run->session);
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

static const struct scanout_client_events client_events = {
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
	int r = tree_init(&run->tree);
	if (r >= 0) {
		r = sd_event_new(&run->event);
	}
	for (size_t i = 0; r >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		r = sd_event_add_signal(run->event, NULL, signals[i], handle_signal, run);
	}
	return r < 0 ? r : scanout_client_init(&run->client, run->event, &client_events, run);
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
	int r = desktop_open(&run->session, run->event, run->options, &run->client);
	if (r == -EINTR) {
		return take_pending_signal();
	}
	if (r < 0) {
		return r == -ENOEXEC ? EXIT_NOT_EXECUTABLE : EXIT_OWN_FAILURE;
	}
	run->started_usec = now_usec(run);
	r = desktop_start(&run->session, &run->child, &run->mask);
	if (r < 0) {
		return explain_start(run, r);
	}
	r = sd_event_loop(run->event);
	if (r < 0) {
		say("The event loop failed: %s", strerror(-r));
		child_kill(&run->child, SIGKILL);
		(void)tree_signal(&run->tree, SIGKILL);
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
	session_finish(&run.session);
	scanout_client_finish(&run.client);
	tree_finish(&run.tree);
	sd_event_source_disable_unref(run.timer);
	sd_event_unref(run.event);
	return status;
}
