/*
 * How a program is told its size while nobody can tell the output: by its own configuration, in a
 * private folder, on top of the user's and never over it.
 */
#ifndef SCANOUT_RUN_SIZING_H
#define SCANOUT_RUN_SIZING_H

#include "command.h"
#include "environment.h"
#include "folder.h"
#include "link/grant.h"
#include "program.h"

struct sizing {
	const struct program *program;
	int program_index; // in the command; -1: hidden in a script
	unsigned width, height;
	const struct folder *folder;
	const struct grant *grant; // with its lease
	struct command *command;
	struct environment *env;
};

/* Returns negative errno after telling why. A program that takes no size only gets a warning. */
int sizing_apply(const struct sizing *sizing);

#endif
