/* Which processes may use the seat: those of the command, as any user, and no others. */
#ifndef SCANOUT_RUN_KIN_H
#define SCANOUT_RUN_KIN_H

#include <stdbool.h>

/*
 * Whether the process that connected a unix socket descends from this process, or has the same user
 * and is in the same container.
 */
bool kin_connected(int fd);

#endif
