/* Properties of known programs: which seat they use, and what else they need. */
#ifndef SCANOUT_RUN_PROGRAM_H
#define SCANOUT_RUN_PROGRAM_H

#include <stdbool.h>

#include "run/switch.h"

#include "seat/seatd.h"

/* How a program gets its device; several can be offered at once. */
enum {
	SEAT_LOGIND = 1 << 0,
	SEAT_SEATD = 1 << 1,
	SEAT_WESTON = 1 << 2,
	SEAT_FD = 1 << 3,
	SEAT_PRELOAD = 1 << 4,
};

/* How the size of a program is set. */
enum sizing_kind {
	SIZING_NONE,
	SIZING_MUTTER,
	SIZING_WESTON,
	SIZING_SWAY,
	SIZING_XORG,
};

/* Special needs of some versions. */
enum quirk {
	QUIRK_NONE,
	QUIRK_GNOME_SESSION,
	QUIRK_KWIN,
};

struct program {
	const char *name;
	const char *starts; // NULL, or the program that it starts
	enum quirk quirk;
	unsigned seats;
	enum sizing_kind sizing;
	unsigned files;   // of LOGIN_FILES_…, which it reads
	bool needs_files; // cannot start without them
	bool needs_spare; // wlroots: asks the card for an empty lease to allocate buffers on
	bool speaks_x11;
};

/*
 * Finds the program that a command runs, behind wrappers such as dbus-run-session. Writes its index
 * in argv to ret_index, or -1 if it is within a script, and the program that changes the user
 * before it. Never NULL: for an unknown program, returns properties that suit most programs.
 */
const struct program *program_find(
	char *const argv[], int *ret_index, struct user_switch *ret_switch);

#endif
