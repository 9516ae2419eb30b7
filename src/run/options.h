/* The command line of scanout-run. */
#ifndef SCANOUT_RUN_OPTIONS_H
#define SCANOUT_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "seat/seatd.h"

#define OPTIONS_MAX_INPUTS 16

/* scanout-run's own failures, apart from those of the command; as env(1) and docker have it. */
#define EXIT_OWN_FAILURE 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct options {
	const char *label;      // may be NULL
	const char *scanout;    // may be NULL
	unsigned width, height; // 0: whatever the output prefers
	uint64_t timeout_usec, linger_usec;
	unsigned seats; // of SEAT_…; 0: as the program likes it
	bool restart;
	bool knows_dialect;
	enum seatd_dialect dialect;
	const char *inputs[OPTIONS_MAX_INPUTS + 1]; // NULL-ended
	char **command;                             // NULL-ended, never empty
};

/*
 * Returns 0 to go on, 1 if all is done (--help, --version), or -EINVAL after telling why. Points
 * into argv.
 */
int options_parse(struct options *options, int argc, char *argv[]);

#endif
