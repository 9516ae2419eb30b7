/* The data of one desktop: its program, scanout, seat and environment. */
#ifndef SCANOUT_RUN_SESSION_H
#define SCANOUT_RUN_SESSION_H

#include "lib/scanout_client.h"
#include "run/command.h"
#include "run/environment.h"
#include "run/options.h"
#include "run/program.h"
#include "run/sway.h"
#include "run/tempdir.h"
#include "seat/login1.h"
#include "seat/login_files.h"
#include "seat/seatd.h"
#include "seat/weston_launch.h"

#define SESSION_SEAT_NAME "seat0"

struct session {
	const struct options *options;
	sd_event *event; // borrowed
	const struct program *program;
	int program_index; // in the command; -1: within a script
	unsigned seats;    // of SEAT_…
	uid_t uid;         // that the command runs as, unless is_anybody
	bool is_anybody;   // the command does not show which user it runs as
	struct scanout_client *client;
	struct scanout_grant grant; // what is held and has not been handed on yet
	struct tempdir tempdir;
	struct login_files files;
	char *files_folder; // their directory instead of /run; NULL: they are in /run
	struct command command;
	struct environment env;
	char *library; // path of libscanout-preload.so; NULL: not found
	char *preload; // the same path, if the program opens its card by it; else NULL

	struct seat *seat; // NULL with only SEAT_FD and SEAT_PRELOAD
	struct login1 *login1;
	struct seatd *seatd;
	struct weston_launch *weston; // of the current run
	struct sway sway;             // without a path unless the program is sway
	bool was_met;                 // set when a client connects to its seat
	bool was_hinted;              // set when hint_failed() has printed a hint
	bool said_deaf;               // set when its unknown libseat has been reported
};

/* Finds the command's program, the user that it runs as, and the seats that it wants. */
void session_init(struct session *session, sd_event *event, const struct options *options,
	struct scanout_client *client);
/* Ends the seat, removes the files and closes the lease. */
void session_finish(struct session *session);

/* Requests the scanout, for the first time or again. Prints why it fails. */
int session_request(struct session *session, bool first, bool spare);
/* Whether neither the host nor --size has sized the output. */
bool session_is_unsized(const struct session *session);

#endif
