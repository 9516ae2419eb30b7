#include "run/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/number.h"
#include "common/say.h"
#include "run/program.h"

#define DEFAULT_TIMEOUT_USEC (30 * UINT64_C(1000000))
#define MAX_SIZE 16384

static const char usage[] =
	"Usage: scanout-run [OPTION...] [--] COMMAND [ARGUMENT...]\n"
	"Get a scanout from scanoutd and run a compositor on it.\n"
	"\n"
	"  -l, --label=LABEL      name the lease, to find the same scanout again\n"
	"  -o, --scanout=ID       this scanout and no other, such as card0-Virtual-3\n"
	"  -s, --size=WxH         size of the desktop\n"
	"  -t, --timeout=TIME     how long to wait for scanoutd and a free scanout;\n"
	"                         seconds, or with ms, s, min, h; default 30s\n"
	"      --linger=TIME      how long the last frame stays after the end of the lease\n"
	"      --seat=KIND        auto, logind, seatd, weston-launch, fd or preload\n"
	"      --restart=WHEN     no, or on-failure\n"
	"      --input=GLOB       let COMMAND open these input devices, repeatable\n"
	"      --libseat=VERSION  0.7 (also for 0.8) or 0.9 (and later)\n"
	"  -h, --help             show this\n"
	"      --version          show the version\n"
	"\n"
	"@FD@ in COMMAND's arguments becomes the number of the lease's fd with --seat=fd.\n";

static int parse_size(struct options *options, const char *text) {
	const char *rest = text;
	if (!number_take(&rest, MAX_SIZE, &options->width) || *rest++ != 'x' ||
		!number_take(&rest, MAX_SIZE, &options->height) || *rest != '\0' ||
		options->width < 1 || options->height < 1) {
		say("'%s' is not a size; write it like 1920x1080", text);
		return -EINVAL;
	}
	return 0;
}

static int parse_time(const char *text, uint64_t *ret) {
	static const struct {
		const char *name;
		double usec;
	} units[] = {{"", 1e6}, {"s", 1e6}, {"ms", 1e3}, {"min", 60e6}, {"h", 3600e6}};
	char *unit;

	double value = strtod(text, &unit);
	for (size_t i = 0; unit != text && i < sizeof(units) / sizeof(units[0]); i++) {
		/* A day is the longest that scanoutd waits; the comparison fails for NaN. */
		if (strcmp(unit, units[i].name) == 0 && value >= 0 &&
			value * units[i].usec <= 24 * 3600e6) {
			*ret = value * units[i].usec;
			return 0;
		}
	}
	say("'%s' is not a time of at most a day; write it like 10s or 2min", text);
	return -EINVAL;
}

static int parse_seat(struct options *options, const char *text) {
	static const struct {
		const char *name;
		unsigned seats;
	} kinds[] = {{"auto", 0}, {"logind", SEAT_LOGIND}, {"seatd", SEAT_SEATD},
		{"weston-launch", SEAT_WESTON}, {"fd", SEAT_FD}, {"preload", SEAT_PRELOAD}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(text, kinds[i].name) == 0) {
			options->seats = kinds[i].seats;
			return 0;
		}
	}
	say("'%s' is not a seat; choose auto, logind, seatd, weston-launch, fd or "
	    "preload",
		text);
	return -EINVAL;
}

static int parse_restart(struct options *options, const char *text) {
	if (strcmp(text, "no") != 0 && strcmp(text, "on-failure") != 0) {
		say("'%s' is not a value of --restart; choose no or on-failure", text);
		return -EINVAL;
	}
	options->restart = strcmp(text, "on-failure") == 0;
	return 0;
}

static int parse_libseat(struct options *options, const char *text) {
	if (strcmp(text, "0.7") != 0 && strcmp(text, "0.8") != 0 && strcmp(text, "0.9") != 0) {
		say("'%s' is not a value of --libseat; choose 0.7 or 0.9", text);
		return -EINVAL;
	}
	options->dialect = strcmp(text, "0.9") == 0 ? SEATD_DIALECT_0_9 : SEATD_DIALECT_0_7;
	return 0;
}

static int add_input(struct options *options, const char *text) {
	size_t count = 0;
	while (options->inputs[count]) {
		count++;
	}
	if (count == OPTIONS_MAX_INPUTS || strncmp(text, "/dev/input/", 11) != 0) {
		say(count == OPTIONS_MAX_INPUTS
				? "'%s' is one --input too many; use a wider glob"
				: "'%s' is not an input; write it like '/dev/input/event*'",
			text);
		return -EINVAL;
	}
	options->inputs[count] = text;
	return 0;
}

enum {
	OPTION_SEAT = 256,
	OPTION_LINGER,
	OPTION_RESTART,
	OPTION_INPUT,
	OPTION_LIBSEAT,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{"label", required_argument, NULL, 'l'},
	{"scanout", required_argument, NULL, 'o'},
	{"size", required_argument, NULL, 's'},
	{"timeout", required_argument, NULL, 't'},
	{"linger", required_argument, NULL, OPTION_LINGER},
	{"seat", required_argument, NULL, OPTION_SEAT},
	{"restart", required_argument, NULL, OPTION_RESTART},
	{"input", required_argument, NULL, OPTION_INPUT},
	{"libseat", required_argument, NULL, OPTION_LIBSEAT},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

static int parse_option(struct options *options, int option) {
	switch (option) {
	case 'l':
		options->label = optarg;
		return 0;
	case 'o':
		options->scanout = optarg;
		return 0;
	case 's':
		return parse_size(options, optarg);
	case 't':
		return parse_time(optarg, &options->timeout_usec);
	case OPTION_LINGER:
		return parse_time(optarg, &options->linger_usec);
	case OPTION_SEAT:
		return parse_seat(options, optarg);
	case OPTION_RESTART:
		return parse_restart(options, optarg);
	case OPTION_INPUT:
		return add_input(options, optarg);
	case OPTION_LIBSEAT:
		return parse_libseat(options, optarg);
	case 'h':
		fputs(usage, stdout);
		return 1;
	case OPTION_VERSION:
		puts("scanout-run " SCANOUTD_VERSION);
		return 1;
	default:
		return -EINVAL; /* getopt has told */
	}
}

int options_parse(struct options *options, int argc, char *argv[]) {
	int option;

	*options = (struct options){.timeout_usec = DEFAULT_TIMEOUT_USEC};
	/* '+': what follows the command is the command's. */
	while ((option = getopt_long(argc, argv, "+l:o:s:t:h", long_options, NULL)) != -1) {
		int r = parse_option(options, option);
		if (r != 0) {
			return r;
		}
	}
	options->command = argv + optind;
	if (!options->command[0]) {
		say("No command given; write it after the options, as in 'scanout-run -- sway'");
		return -EINVAL;
	}
	return 0;
}
