/*
 * scanout-link: tells the VM's host who has which scanout, over a virtio-serial port. It asks
 * scanoutd as any client does, so that scanoutd reads nothing that the host sends.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/say.h"
#include "link/bus.h"
#include "link/port.h"

#define EXIT_USAGE 64

static const char usage[] =
	"Usage: scanout-link [--port PATH]\n\n"
	"Tells the VM's host who has which scanout, over the port at PATH or on "
	"standard input.\n"
	"More: man scanout-link\n";

struct link {
	sd_event *event;
	struct roster roster;
	struct bus bus;
	struct port port;
	bool is_known; // set once it is known whether scanoutd is there; never cleared
	bool has_daemon;
};

static void tell_granted(void *data, const struct tenant *tenant) {
	struct link *link = data;
	struct message message = {.type = MESSAGE_GRANT, .grant = *tenant};
	port_tell(&link->port, &message);
}

static void tell_ended(void *data, const char *scanout, const char *reason) {
	struct link *link = data;
	struct message message = {.type = MESSAGE_END};
	snprintf(message.end.scanout, sizeof(message.end.scanout), "%s", scanout);
	snprintf(message.end.reason, sizeof(message.end.reason), "%s", reason);
	port_tell(&link->port, &message);
}

static void tell_ready(struct link *link) {
	struct message message = {.type = MESSAGE_READY, .ready.daemon = link->has_daemon};
	if (link->is_known) {
		port_tell(&link->port, &message);
	}
}

static void handle_changed(void *data, bool is_there) {
	struct link *link = data;
	link->is_known = true;
	link->has_daemon = is_there;
	tell_ready(link);
}

static void handle_greeted(void *data) {
	struct link *link = data;
	roster_repeat(&link->roster);
	tell_ready(link);
}

static int start(struct link *link, int fd) {
	static const int signals[] = {SIGTERM, SIGINT};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return -errno;
	}
	int r = sd_event_new(&link->event);
	for (size_t i = 0; r >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		r = sd_event_add_signal(link->event, NULL, signals[i], NULL, NULL);
	}
	r = r < 0 ? r : sd_event_set_watchdog(link->event, 1);
	link->roster = (struct roster){.granted = tell_granted, .ended = tell_ended, .data = link};
	roster_init(&link->roster);
	link->port = (struct port){
		.fd = fd, .event = link->event, .greeted = handle_greeted, .data = link};
	link->bus = (struct bus){.event = link->event,
		.roster = &link->roster,
		.changed = handle_changed,
		.data = link};
	r = r < 0 ? r : port_open(&link->port);
	return r < 0 ? r : bus_open(&link->bus);
}

static int run(int fd) {
	struct link link = {0};
	int r = start(&link, fd);
	if (r >= 0) {
		(void)sd_notify(0, "READY=1");
		r = sd_event_loop(link.event);
	}
	bus_close(&link.bus);
	port_close(&link.port);
	roster_finish(&link.roster);
	sd_event_unref(link.event);
	return r;
}

/* Returns 0 to go on, or the exit status after telling why, with 1 for done. */
static int parse(int argc, char *argv[], const char **ret_path, int *ret_status) {
	enum {
		PORT = 256,
		VERSION
	};
	static const struct option options[] = {{"port", required_argument, NULL, PORT},
		{"version", no_argument, NULL, VERSION}, {"help", no_argument, NULL, 'h'}, {0}};
	int option;
	*ret_status = EXIT_SUCCESS;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case PORT:
			*ret_path = optarg;
			break;
		case VERSION:
			printf("scanout-link %s\n", SCANOUTD_VERSION);
			return 1;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			*ret_status = EXIT_USAGE;
			return 1;
		}
	}
	if (optind != argc || (!*ret_path && isatty(STDIN_FILENO))) {
		fputs(usage, stderr);
		*ret_status = EXIT_USAGE;
		return 1;
	}
	return 0;
}

int main(int argc, char *argv[]) {
	const char *path = NULL;
	int status, fd = STDIN_FILENO;
	if (parse(argc, argv, &path, &status) != 0) {
		return status;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (path) {
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	}
	int r = fd < 0 ? -errno : run(fd);
	if (r < 0) {
		say("Cannot serve the port %s: %s", path ? path : "on standard input",
			strerror(-r));
	}
	return r < 0 ? EXIT_FAILURE : r;
}
