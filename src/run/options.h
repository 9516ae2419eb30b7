/* The command line of scanout-run. */
#ifndef SCANOUT_RUN_OPTIONS_H
#define SCANOUT_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "seat/seatd.h"

#define OPTIONS_MAX_INPUTS 16

/* Exit statuses for scanout-run's own failures, as those of env(1) and docker. */
#define EXIT_OWN_FAILURE 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct options {
	const char *label;      // may be NULL
	const char *scanout;    // may be NULL
	unsigned width, height; // 0: as the output prefers
	uint64_t timeout_usec, linger_usec;
	unsigned seats; // of SEAT_…; 0: by the program
	bool restart;
	enum seatd_dialect dialect;                 // unknown: tested on the library
	const char *inputs[OPTIONS_MAX_INPUTS + 1]; // NULL-ended
	char **command;                             // NULL-ended, never empty
};

/*
 * Returns 0 to go on, 1 if there is nothing more to do (--help, --version), or -EINVAL after
 * printing why. Points into argv.
 */
int options_parse(struct options *options, int argc, char *argv[]);

#endif
