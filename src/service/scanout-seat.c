/*
 * scanout-seat: serves the seat of one scanout, or those of any free one, on the sockets that
 * systemd passes, for containers that have nothing of ours in them.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/say.h"
#include "door/door.h"
#include "service/service.h"

#define EXIT_USAGE 64
#define IDLE_MSEC 30000
/* As scanoutd takes labels. */
#define LABEL_LENGTH 12
#define LABEL_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

static const char usage[] =
	"Usage: scanout-seat [--seats FOLDER] [--idle MILLISECONDS] ID|" SEAT_DIR_ANY "CARD\n\n"
	"Serves the seat of a scanout on the sockets that systemd passes.\n"
	"More: man scanout-seat\n";

/* Returns 0 to go on, or the exit status after telling why, with 1 for done. */
static int parse(int argc, char *argv[], struct service_options *options, int *ret_status) {
	enum {
		SEATS = 256,
		IDLE,
		LABEL,
		INSTANCE,
		VERSION
	};
	/* The label and the instance are what it starts itself with. */
	static const struct option long_options[] = {{"seats", required_argument, NULL, SEATS},
		{"idle", required_argument, NULL, IDLE}, {"label", required_argument, NULL, LABEL},
		{"instance", required_argument, NULL, INSTANCE},
		{"version", no_argument, NULL, VERSION}, {"help", no_argument, NULL, 'h'}, {0}};
	int option;
	*ret_status = EXIT_SUCCESS;
	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case SEATS:
			options->seats = optarg;
			break;
		case IDLE:
			options->idle_usec = strtoul(optarg, NULL, 10) * UINT64_C(1000);
			break;
		case LABEL:
			options->label = optarg[0] != '\0' ? optarg : NULL;
			break;
		case INSTANCE:
			options->instance_fd = atoi(optarg);
			break;
		case VERSION:
			printf("scanout-seat %s\n", SCANOUTD_VERSION);
			return 1;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			*ret_status = EXIT_USAGE;
			return 1;
		}
	}
	if (optind != argc - 1 || options->idle_usec == 0) {
		fputs(usage, stderr);
		*ret_status = EXIT_USAGE;
		return 1;
	}
	options->id = argv[optind];
	return 0;
}

static int run_service(sd_event *event, const struct service_options *options) {
	struct service service;
	int r = service_open(&service, event, options);
	if (r >= 0) {
		r = sd_event_loop(event);
	}
	service_close(&service);
	return r;
}

static void become_instance(void *data, const struct container *container, int fd) {
	const struct service_options *options = data;
	char number[16], idle[24], label[LABEL_LENGTH + 1];
	snprintf(number, sizeof(number), "--instance=%d", fd);
	snprintf(idle, sizeof(idle), "--idle=%u", (unsigned)(options->idle_usec / 1000));
	snprintf(label, sizeof(label), "%.*s", LABEL_LENGTH, container->id);
	if (label[strspn(label, LABEL_CHARACTERS)] != '\0') {
		label[0] = '\0';
	}
	const char *const argv[] = {"scanout-seat", "--seats", options->seats, "--label", label,
		idle, number, options->id, NULL};
	execv("/proc/self/exe", (char *const *)argv);
}

static int run_door(sd_event *event, struct service_options *options) {
	struct door_options door_options = {
		.become = become_instance, .data = options, .idle_usec = options->idle_usec};
	struct door door;
	int r = door_open(&door, event, &door_options);
	if (r >= 0) {
		r = door_serve_passed(&door);
	}
	if (r > 0) {
		r = sd_event_loop(event);
	} else if (r == 0) {
		say("No socket was passed; start scanout-seat-any@CARD.socket instead");
		r = -ENOTCONN;
	}
	door_close(&door);
	return r;
}

int main(int argc, char *argv[]) {
	struct service_options options = {
		.seats = SEAT_DIR_ROOT, .idle_usec = IDLE_MSEC * UINT64_C(1000), .instance_fd = -1};
	sd_event *event = NULL;
	int status;
	if (parse(argc, argv, &options, &status) != 0) {
		return status;
	}
	int r = door_new_event(&event);
	if (r >= 0) {
		bool is_door = seat_dir_is_any(options.id) && options.instance_fd < 0;
		r = is_door ? run_door(event, &options) : run_service(event, &options);
	}
	sd_event_unref(event);
	if (r < 0) {
		say("Cannot serve the seat of %s: %s", options.id, strerror(-r));
	}
	return r < 0 ? EXIT_FAILURE : r;
}
