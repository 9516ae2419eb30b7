/* The environment that leads a command to its scanout and its seat. */
#ifndef SCANOUT_RUN_EXPORTS_H
#define SCANOUT_RUN_EXPORTS_H

#include "session.h"

/*
 * Fills the session's environment, with the login session's id and the numbers under which
 * session_start() hands descriptors over.
 */
int exports_apply(struct session *session, const char *id);

#endif
