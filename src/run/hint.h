/* Hints for a failed command, from what it did and did not do. */
#ifndef SCANOUT_RUN_HINT_H
#define SCANOUT_RUN_HINT_H

#include "run/session.h"

/* Prints a hint, once for each session. */
void hint_failed(struct session *session);

#endif
