/* The environment variables by which a command finds its scanout and its seat. */
#ifndef SCANOUT_RUN_SESSION_ENV_H
#define SCANOUT_RUN_SESSION_ENV_H

#include "run/session.h"

/*
 * Fills the session's environment, with the id of the login session and the numbers of the fds that
 * desktop_start() passes.
 */
int session_env_fill(struct session *session, const char *id);
/*
 * To be called before each start: makes libscanout-preload.so prefer a size, if the output prefers
 * none. Returns negative errno.
 */
int session_env_set_size(struct session *session);

#endif
