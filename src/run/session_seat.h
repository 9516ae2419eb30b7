/* The seat of a session: its sockets, and the leases that it passes to compositors. */
#ifndef SCANOUT_RUN_SESSION_SEAT_H
#define SCANOUT_RUN_SESSION_SEAT_H

#include "run/session.h"

/* Serves the session's seats, with the id of its login session. Prints errors. */
int session_seat_open(struct session *session, const char *id);

#endif
