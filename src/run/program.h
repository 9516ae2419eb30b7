/* What is known of the programs that people run: which seat they want, and what else. */
#ifndef SCANOUT_RUN_PROGRAM_H
#define SCANOUT_RUN_PROGRAM_H

#include <stdbool.h>

#include "seat/seatd.h"

/* How a program is given its device; several can be offered at once. */
enum {
	SEAT_LOGIND = 1 << 0,
	SEAT_SEATD = 1 << 1,
	SEAT_WESTON = 1 << 2,
	SEAT_FD = 1 << 3,
	SEAT_PRELOAD = 1 << 4,
};

/* How a program is told its size. */
enum sizing_kind {
	SIZING_NONE,
	SIZING_MUTTER,
	SIZING_WESTON,
	SIZING_SWAY,
	SIZING_XORG,
};

struct program {
	const char *name;
	unsigned seats;
	enum sizing_kind sizing;
	unsigned files;   // of FILES_…, what it reads
	bool needs_files; // cannot start without them
	bool needs_spare; // wlroots: asks the card for an empty lease to allocate buffers on
	bool speaks_x11;
};

/*
 * Finds the program that a command runs, behind wrappers such as dbus-run-session. Writes its
 * place in argv to ret_index, or -1 if it is inside a shell's script. Never NULL: for a program
 * that is not known, what suits most.
 */
const struct program *program_find(char *const argv[], int *ret_index);

/* Which libseat this system is likely to have, judged by its os-release file. */
enum seatd_dialect program_seatd_dialect(const char *os_release);

#endif
