/*
 * scanout-seat: serves the seat of one scanout, or those of any free one, on the sockets that
 * systemd passes, for containers that have nothing of ours in them.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/say.h"
#include "service.h"
#include "tenants.h"

#define EXIT_USAGE 64
#define IDLE_MSEC 30000

static const char usage[] =
	"Usage: scanout-seat [--seats FOLDER] [--idle MILLISECONDS] ID|" PLACE_ANY "CARD\n\n"
	"Serves the seat of a scanout on the sockets that systemd passes.\n"
	"More: man scanout-seat\n";

/* Returns 0 to go on, or the exit status after telling why, with 1 for done. */
static int parse(int argc, char *argv[], struct service_options *options, int *ret_status) {
	enum {
		SEATS = 256,
		IDLE,
		LABEL,
		TENANT,
		VERSION
	};
	/* The label and the tenant are what it starts itself with. */
	static const struct option long_options[] = {{"seats", required_argument, NULL, SEATS},
		{"idle", required_argument, NULL, IDLE}, {"label", required_argument, NULL, LABEL},
		{"tenant", required_argument, NULL, TENANT},
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
		case TENANT:
			options->tenant_fd = atoi(optarg);
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

static int prepare_event(sd_event **ret) {
	static const int signals[] = {SIGTERM, SIGINT};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return -errno;
	}
	int r = sd_event_new(ret);
	for (size_t i = 0; r >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		r = sd_event_add_signal(*ret, NULL, signals[i], NULL, NULL);
	}
	return r < 0 ? r : sd_event_set_watchdog(*ret, 1);
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

static int run_tenants(sd_event *event, const struct service_options *options) {
	struct tenants tenants;
	int r = tenants_open(&tenants, event, options);
	if (r >= 0) {
		r = sd_event_loop(event);
	}
	tenants_close(&tenants);
	return r;
}

int main(int argc, char *argv[]) {
	struct service_options options = {
		.seats = PLACE_ROOT, .idle_usec = IDLE_MSEC * UINT64_C(1000), .tenant_fd = -1};
	sd_event *event = NULL;
	int status;
	if (parse(argc, argv, &options, &status) != 0) {
		return status;
	}
	int r = prepare_event(&event);
	if (r >= 0) {
		bool dispatches = place_is_any(options.id) && options.tenant_fd < 0;
		r = dispatches ? run_tenants(event, &options) : run_service(event, &options);
	}
	sd_event_unref(event);
	if (r < 0) {
		say("Cannot serve the seat of %s: %s", options.id, strerror(-r));
	}
	return r < 0 ? EXIT_FAILURE : r;
}
