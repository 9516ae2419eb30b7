/* One desktop's surroundings: its scanout, its seat, and the environment that leads to them. */
#ifndef SCANOUT_RUN_SESSION_H
#define SCANOUT_RUN_SESSION_H

#include "child.h"
#include "command.h"
#include "environment.h"
#include "folder.h"
#include "link/link.h"
#include "options.h"
#include "program.h"
#include "seat/files.h"
#include "seat/login1.h"
#include "seat/seatd.h"
#include "seat/weston_launch.h"
#include "sway.h"

#define SESSION_SEAT_NAME "seat0"

struct session {
	const struct options *options;
	sd_event *event; // borrowed
	const struct program *program;
	int program_index; // in the command; -1: hidden in a script
	unsigned seats;    // of SEAT_…
	struct link *link;
	struct grant grant; // what is held and has not been handed on yet
	struct folder folder;
	struct files files;
	struct command command;
	struct environment env;
	char *preload; // path of the library; may be NULL

	struct seat *seat; // NULL with only SEAT_FD and SEAT_PRELOAD
	struct login1 *login1;
	struct seatd *seatd;
	struct weston_launch *weston; // of the current run
	struct sway sway;             // without a path unless the program is sway
};

/*
 * Gets the scanout and prepares everything for the command. Tells what goes wrong; session_close()
 * is due in any case.
 */
int session_open(
	struct session *session, sd_event *event, const struct options *options, struct link *link);
void session_close(struct session *session);

/* Starts the command on it, with a fresh lease if the last one is used up. */
int session_start(struct session *session, struct child *child, const sigset_t *mask);
/* The host has given the output another size: the command is made to look, unless --size fixed it.
 */
void session_resize(struct session *session);
/* The command has ended: a compositor that it left behind loses its seat, and the lease. */
void session_end(struct session *session);

#endif
