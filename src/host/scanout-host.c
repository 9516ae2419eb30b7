#include <fcntl.h>
#include <libavutil/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/commands.h"
#include "host/map.h"
#include "host/options.h"
#include "host/report.h"

static const struct command commands[] = {
	{"list", "[--json] [--vm NAME=ADDRESS]… [--probe]", "Lists the scanouts of all VMs.",
		run_list},
	{"shot", "[--vm NAME=ADDRESS]… -o FILE|- SCANOUT", "Saves the picture of a scanout as PNG.",
		run_shot},
	{"record",
		"[--vm NAME=ADDRESS]… -o FILE|- [--format mp4|h264] [--fps N] [--size WxH] SCANOUT…",
		"Records scanouts as H.264 until SIGINT.", run_record},
	{"measure", "[--json] [--vm NAME=ADDRESS]… [--seconds N] [--copies] [SCANOUT…]",
		"Reads the pictures of scanouts, all by default, and tells how many come.",
		run_measure},
	{"qemu-args", "[--address ADDRESS] [--link SOCKET] [-n HEADS] [--size WxH]",
		"Prints what to start QEMU with.", run_qemu_args},
	{"doctor", "[--json] [--vm NAME=ADDRESS]…",
		"Checks the chain from QEMU to a video; says what to type.", run_doctor},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(void) {
	printf("Usage: scanout-host [OPTIONS] COMMAND …\n\n"
	       "Shows, on the machine that runs QEMU, what a VM's scanouts show.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		printf("  %-9s  %s\n", commands[i].name, commands[i].summary);
	}
	printf("\nOptions, before or after the command:\n"
	       "  -j, --json         print JSON, errors too (on stderr)\n"
	       "  --address ADDR     QEMU's display is on the bus at this D-Bus address\n"
	       "  --vm NAME=ADDR     the same for a VM with a name; may be repeated\n"
	       "  --link SOCKET      the link to that VM: who has which scanout there\n"
	       "  -h, --help         print this, or the usage of a command\n"
	       "  --version          print the version\n\n"
	       "Exit status: 0 done, 1 failed, 2 wrong usage, 3 QEMU is not reachable.\n"
	       "More: man scanout-host\n");
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
static int parse_globals(struct host *host, int argc, char *argv[]) {
	enum {
		VERSION = OPTION_OWN
	};
	static const struct option options[] = {
		{"version", no_argument, NULL, VERSION}, OPTIONS_COMMON, {0}};
	int option;
	while ((option = getopt_long(argc, argv, "+:jh", options, NULL)) != -1) {
		int code = HOST_OK;
		if (option == VERSION) {
			printf("scanout-host %s\n", SCANOUTD_VERSION);
			host->finished = true;
		} else if (option == 'h') {
			print_help();
			host->finished = true;
		} else {
			code = options_common(host, option, argv);
		}
		if (code != HOST_OK || host->finished) {
			return code;
		}
	}
	return HOST_OK;
}

static bool use_color(void) {
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
	       !(term && strcmp(term, "dumb") == 0);
}

static int run(struct host *host, int argc, char *argv[]) {
	int code = parse_globals(host, argc, argv);
	if (code != HOST_OK || host->finished) {
		return code;
	}
	if (optind == argc) {
		return report_usage(
			host, "Name a command: list, shot, record, measure, qemu-args or doctor.");
	}
	const struct command *command = find_command(argv[optind]);
	if (!command) {
		return report_usage(host, "There is no command '%s'.", argv[optind]);
	}
	host->command = command;
	return command->run(host, argc - optind, argv + optind);
}

/* A missing stdin, stdout or stderr must not become the number of a socket or a picture. */
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
static int finish_output(struct host *host, int code) {
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == HOST_OK) {
		return report(host, HOST_FAILED, "OutputFailed",
			"The output could not be written. Is the disk full or the reader gone?");
	}
	return code;
}

int main(int argc, char *argv[]) {
	struct host host = {.color = use_color()};
	ensure_standard_fds();
	signal(SIGPIPE, SIG_IGN); // told by the write instead
	signal(SIGXFSZ, SIG_IGN);
	av_log_set_level(AV_LOG_QUIET); // what fails is told in our words
	int r = map_guard();
	int code = r < 0 ? report_errno(&host, r) : finish_output(&host, run(&host, argc, argv));
	free(host.text);
	return code;
}
