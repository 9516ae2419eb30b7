/* The command line of an X server that runs on a lease. */
#ifndef SCANOUT_RUN_XORG_H
#define SCANOUT_RUN_XORG_H

#include "run/command.h"

/*
 * Adds options that the command lacks: the lease, and a seat if the server would take a VT.
 * Replaces the setuid wrapper, which accepts neither, by the server itself. The program at *index
 * is the server, xinit or startx; afterwards options of the server may be inserted after *index.
 */
int xorg_prepare(struct command *command, int *index, unsigned display);

/* The server that the wrapper would start, or NULL if the usual names are the server itself. */
const char *xorg_find_wrapped(void);

#endif
