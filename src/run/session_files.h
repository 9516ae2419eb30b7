/* Writes the login session's files: to /run, or to a directory that only the command uses. */
#ifndef SCANOUT_RUN_SESSION_FILES_H
#define SCANOUT_RUN_SESSION_FILES_H

#include "run/session.h"

/*
 * Writes the files that the session's seats need, with the id of its login session. Prints what is
 * missing; that is an error only for a program that is known to need it.
 */
int session_files_write(struct session *session, const char *id);

#endif
