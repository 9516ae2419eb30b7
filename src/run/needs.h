/*
 * Checks what the version of a program in the image needs from its container, before it starts, and
 * prints what to add.
 */
#ifndef SCANOUT_RUN_NEEDS_H
#define SCANOUT_RUN_NEEDS_H

#include "run/session.h"

/* Checks capabilities and services. Prints why and returns -ENOEXEC if the program cannot start. */
int needs_check_program(const struct session *session);
/* Checks, once there is a lease, whether the program can use the card and get its size. */
void needs_check_card(const struct session *session);

#endif
