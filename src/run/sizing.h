/*
 * Sets the size of a program by its own configuration, in a private directory. The user's own
 * configuration is included and never changed.
 */
#ifndef SCANOUT_RUN_SIZING_H
#define SCANOUT_RUN_SIZING_H

#include "lib/request_call.h"
#include "run/command.h"
#include "run/environment.h"
#include "run/program.h"
#include "run/tempdir.h"

struct sizing {
	const struct program *program;
	int program_index; // in the command; -1: within a script
	unsigned width, height;
	const struct tempdir *tempdir;
	const struct scanout_grant *grant; // with its lease
	struct command *command;
	struct environment *env;
};

/* Prints errors and returns negative errno. If a program has no such setting, only warns. */
int sizing_apply(const struct sizing *sizing);

#endif
