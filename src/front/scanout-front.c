/*
 * scanout-front: serves the guest socket. One process for each container speaks D-Bus with it, and
 * asks scanoutd for it, so that scanoutd reads nothing that a container has sent.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/say.h"
#include "common/socket.h"
#include "door/door.h"
#include "front/front.h"

#define EXIT_USAGE 64
#define AGENT_ADDRESS "unix:path=/run/scanoutd/agent/bus"

static const char usage[] = "Usage: scanout-front [--socket PATH]\n\n"
			    "Serves the guest socket, at PATH or as systemd passes it.\n"
			    "More: man scanout-front\n";

struct options {
	const char *socket; // NULL: systemd passes it
	int instance_fd;    // -1: this is the door
};

/* Returns 0 to go on, or the exit status after telling why, with 1 for done. */
static int parse(int argc, char *argv[], struct options *options, int *ret_status) {
	enum {
		SOCKET = 256,
		INSTANCE,
		VERSION
	};
	/* The instance is what it starts itself with. */
	static const struct option long_options[] = {{"socket", required_argument, NULL, SOCKET},
		{"instance", required_argument, NULL, INSTANCE},
		{"version", no_argument, NULL, VERSION}, {"help", no_argument, NULL, 'h'}, {0}};
	int option;
	*ret_status = EXIT_SUCCESS;
	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case SOCKET:
			options->socket = optarg;
			break;
		case INSTANCE:
			options->instance_fd = atoi(optarg);
			break;
		case VERSION:
			printf("scanout-front %s\n", SCANOUTD_VERSION);
			return 1;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			*ret_status = EXIT_USAGE;
			return 1;
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		*ret_status = EXIT_USAGE;
		return 1;
	}
	return 0;
}

static int run_instance(sd_event *event, int fd) {
	static const char prefix[] = "unix:path=";
	const char *address = getenv("SCANOUT_ADDRESS");
	struct front front;
	if (!address) {
		address = AGENT_ADDRESS;
	}
	if (strncmp(address, prefix, strlen(prefix)) != 0) {
		say("$SCANOUT_ADDRESS is '%s'; write it like " AGENT_ADDRESS, address);
		return -EINVAL;
	}
	int r = front_open(&front, event, address + strlen(prefix), fd);
	if (r >= 0) {
		r = front_run(&front);
	}
	front_close(&front);
	return r;
}

static void become_instance(void *data, const struct container *container, int fd) {
	char number[16];
	snprintf(number, sizeof(number), "--instance=%d", fd);
	const char *const argv[] = {"scanout-front", number, NULL};
	execv("/proc/self/exe", (char *const *)argv);
}

/* In a directory of its own: a container mounts that, since a mounted socket goes stale when the
 * socket is made again. */
static int listen_at(const char *path) {
	char directory[PATH_MAX];
	snprintf(directory, sizeof(directory), "%s", path);
	mode_t mask = umask(0022);
	int r = mkdir(dirname(directory), 0755) < 0 && errno != EEXIST ? -errno : 0;
	umask(mask);
	return r < 0 ? r : socket_listen(path, 0666);
}

static int serve_sockets(struct door *door, const char *path) {
	int r = door_serve_passed(door);
	if (r == 0 && !path) {
		say("No socket was passed; start scanoutd.socket instead, or name a --socket");
		return -ENOTCONN;
	}
	if (r >= 0 && path) {
		r = listen_at(path);
		r = r < 0 ? r : door_serve(door, r);
	}
	return r;
}

static int run_door(sd_event *event, const char *path) {
	const struct door_options options = {.become = become_instance};
	struct door door;
	int r = door_open(&door, event, &options);
	if (r >= 0) {
		r = serve_sockets(&door, path);
	}
	if (r >= 0) {
		(void)sd_notify(0, "READY=1");
		r = sd_event_loop(event);
	}
	door_close(&door);
	if (path) {
		(void)unlink(path);
	}
	return r;
}

int main(int argc, char *argv[]) {
	struct options options = {.instance_fd = -1};
	sd_event *event = NULL;
	int status;
	if (parse(argc, argv, &options, &status) != 0) {
		return status;
	}
	int r = door_new_event(&event);
	if (r >= 0) {
		r = options.instance_fd >= 0 ? run_instance(event, options.instance_fd)
					     : run_door(event, options.socket);
	}
	sd_event_unref(event);
	if (r < 0) {
		say("Cannot serve guests: %s", strerror(-r));
	}
	return r < 0 ? EXIT_FAILURE : r;
}
