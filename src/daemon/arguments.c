#include "daemon/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "daemon/util/log.h"

static const char usage[] = "Usage: scanoutd [--config FILE] [--check-config] [--debug]\n"
			    "Leases the outputs of a virtual GPU to containers; see scanoutd(8).\n"
			    "\n"
			    "  --config FILE    read FILE and FILE.d/*.conf instead of\n"
			    "                   " SCANOUTD_SYSCONFDIR "/scanoutd/scanoutd.conf\n"
			    "  --check-config   say whether the configuration is right, and exit\n"
			    "  --debug          log refusals and details as well\n"
			    "  --help, --version\n";

int arguments_parse(int argc, char *argv[], struct arguments *ret) {
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, 'k'},
		{"debug", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int c;
	*ret = (struct arguments){.config = SCANOUTD_SYSCONFDIR "/scanoutd/scanoutd.conf"};
	while ((c = getopt_long(argc, argv, "c:dhV", options, NULL)) >= 0) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			ret->config_given = true;
			break;
		case 'k':
			ret->check_config = true;
			break;
		case 'd':
			log_set_max_level(LOG_DEBUG);
			break;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		case 'V':
			puts("scanoutd " SCANOUTD_VERSION);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "scanoutd: '%s' is one argument too many\n%s", argv[optind], usage);
		return EX_USAGE;
	}
	return -1;
}
