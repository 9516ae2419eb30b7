#include "ctl/options.h"

#include <stdio.h>

#include "ctl/report.h"

static void print_command_help(const struct command *command) {
	printf("Usage: scanoutctl %s %s\n\n%s\n\nThe manual page scanoutctl(1) explains each option.\n",
		command->name, command->arguments, command->summary);
}

int options_common(struct ctl *ctl, int option, char *argv[]) {
	switch (option) {
	case 'j':
		ctl->json = true;
		return CTL_OK;
	case 'h':
		print_command_help(ctl->command);
		ctl->finished = true;
		return CTL_OK;
	case OPTION_ADDRESS:
		ctl->address = optarg;
		return CTL_OK;
	case ':':
		return report_usage(ctl, "Option '%s' needs a value.", argv[optind - 1]);
	default:
		// A bundle such as -jx leaves optind on the bundle; then only the letter is known.
		if (optopt > 0 && optopt < OPTION_ADDRESS) {
			return report_usage(ctl, "'-%c' is not an option here.", optopt);
		}
		return report_usage(ctl, "'%s' is not an option here.", argv[optind - 1]);
	}
}

int options_parse(struct ctl *ctl, int argc, char *argv[], int count) {
	static const struct option options[] = {OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		int code = options_common(ctl, option, argv);
		if (code != CTL_OK || ctl->finished) {
			return code;
		}
	}
	if (argc - optind > count) {
		return report_usage(ctl, "'%s' is one argument too many.", argv[optind + count]);
	}
	if (argc - optind < count) {
		return report_usage(ctl,
			"Name a scanout: its id, its label or its index, see 'scanoutctl list'.");
	}
	return CTL_OK;
}
