#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/options.h"
#include "ctl/report.h"

static const struct command commands[] = {
	{"list", "[--json]", "Lists all scanouts, their holders and since when.", run_list},
	{"status", "[--json] ID|LABEL|INDEX", "Shows one scanout in full.", run_status},
	{"release", "[--json] ID|LABEL|INDEX", "Ends the lease on a scanout.", run_release},
	{"request",
		"[--label LABEL] [--scanout ID] [--timeout TIME] [--size WxH[@HZ]] [--spare] [--takeover] [--linger TIME] "
		"[--] COMMAND…",
		"Leases a scanout and runs COMMAND with its fd, in SCANOUT_LEASE_FD.", run_request},
	{"monitor", "[--json]", "Prints events as they happen.", run_monitor},
	{"cdi", "[--json] [--output FILE|-] [--seats DIRECTORY] [--start] [--wait TIME]",
		"Describes the scanouts to container engines, for 'podman run --device'.", run_cdi},
	{"resource", "[--json] ID|LABEL|INDEX",
		"Tells which memory of the host a scanout shows, by virtio-gpu's resource id.",
		run_resource},
	{"seccomp", "[--json] [--from FILE] [--output FILE|-]",
		"Makes a container engine's seccomp profile refuse what reads others' pictures.",
		run_seccomp},
	{"doctor", "[--json]", "Checks the chain from the card to a lease; says what to type.",
		run_doctor},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(void) {
	printf("Usage: scanoutctl [OPTIONS] COMMAND …\n\n"
	       "Shows, requests and releases the outputs that scanoutd leases.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		printf("  %-8s  %s\n", commands[i].name, commands[i].summary);
	}
	printf("\nOptions, before or after the command:\n"
	       "  -j, --json      print JSON, errors too (on stderr)\n"
	       "  --address ADDR  use the message bus at this D-Bus address\n"
	       "  -h, --help      print this, or the usage of a command\n"
	       "  --version       print the version\n\n"
	       "Exit status: 0 done, 1 refused, 2 wrong usage, 3 scanoutd or the bus is not\n"
	       "reachable; of 'request' also 126 and 127 as in a shell. More: man scanoutctl\n");
}

static const struct command *find_command(const char *name) {
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

/* Options before the command; on return optind is the command. */
static int parse_globals(struct ctl *ctl, int argc, char *argv[]) {
	enum {
		VERSION = OPTION_OWN
	};
	static const struct option options[] = {
		{"version", no_argument, NULL, VERSION}, OPTIONS_COMMON, {0}};
	int option;
	while ((option = getopt_long(argc, argv, "+:jh", options, NULL)) != -1) {
		int code = CTL_OK;
		if (option == VERSION) {
			printf("scanoutctl %s\n", SCANOUTD_VERSION);
			ctl->finished = true;
		} else if (option == 'h') {
			print_help();
			ctl->finished = true;
		} else {
			code = options_common(ctl, option, argv);
		}
		if (code != CTL_OK || ctl->finished) {
			return code;
		}
	}
	return CTL_OK;
}

static bool use_color(void) {
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
	       !(term && strcmp(term, "dumb") == 0);
}

static int run(struct ctl *ctl, int argc, char *argv[]) {
	int code = parse_globals(ctl, argc, argv);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	if (optind == argc) {
		return report_usage(ctl,
			"Name a command: list, status, release, request, monitor, cdi, "
			"resource, seccomp or doctor.");
	}
	const struct command *command = find_command(argv[optind]);
	if (!command) {
		return report_usage(ctl, "There is no command '%s'.", argv[optind]);
	}
	ctl->command = command;
	return command->run(ctl, argc - optind, argv + optind);
}

/* A missing stdin, stdout or stderr must not become the number of a bus socket or a lease. */
static void ensure_standard_fds(void) {
	int fd;
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0) {
		close(fd);
	}
}

/* What was printed counts only once it is out. */
static int finish_output(struct ctl *ctl, int code) {
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CTL_OK) {
		return report(ctl, CTL_REFUSED, "OutputFailed",
			"The output could not be written. Is the disk full or the reader gone?");
	}
	return code;
}

int main(int argc, char *argv[]) {
	struct ctl ctl = {.color = use_color()};
	ensure_standard_fds();
	int code = finish_output(&ctl, run(&ctl, argc, argv));
	sd_bus_flush_close_unref(ctl.bus);
	return code;
}
