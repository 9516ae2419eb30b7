/* The course of one desktop: request its scanout, prepare its environment, start and stop it. */
#ifndef SCANOUT_RUN_DESKTOP_H
#define SCANOUT_RUN_DESKTOP_H

#include "run/child.h"
#include "run/session.h"

/*
 * Requests the scanout and prepares everything for the command. Prints errors. The caller calls
 * session_finish() in any case.
 */
int desktop_open(struct session *session, sd_event *event, const struct options *options,
	struct scanout_client *client);

/* Starts the command, with a new lease if the previous one was passed on. */
int desktop_start(struct session *session, struct child *child, const sigset_t *mask);
/* Makes the command notice the new size of its output, unless --size fixes the size. */
void desktop_resize(struct session *session);
/* After the exit of the command: a compositor that still runs loses its seat and the lease. */
void desktop_end(struct session *session);

#endif
