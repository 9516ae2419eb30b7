/* The command line. */
#ifndef SCANOUTD_ARGUMENTS_H
#define SCANOUTD_ARGUMENTS_H

#include <stdbool.h>

struct arguments {
	const char *config;
	bool config_given; // then it has to exist
	bool check_config;
};

/* Returns -1 to go on, or an exit status, EX_OK or EX_USAGE. */
int arguments_parse(int argc, char *argv[], struct arguments *ret);

#endif
