/*
 * Options and files for programs that blank their screen after a while without input, or do not
 * start without input devices: there may never be any input.
 */
#ifndef SCANOUT_RUN_IDLE_H
#define SCANOUT_RUN_IDLE_H

#include "run/command.h"
#include "run/environment.h"
#include "run/program.h"
#include "run/tempdir.h"

/*
 * Adds options to the command, unless it or the user's configuration sets them, or files that the
 * program finds by its environment; `index` is that of the program, or -1 if it is within a script.
 * Returns negative errno.
 */
int idle_apply(const struct program *program, int index, struct command *command,
	const struct tempdir *tempdir, struct environment *env);

#endif
