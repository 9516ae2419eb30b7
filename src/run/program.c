#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "seat/files.h"

#define WLROOTS .seats = SEAT_SEATD, .files = FILES_SESSION, .needs_spare = true
#define GNOME                                                                               \
	.seats = SEAT_LOGIND, .sizing = SIZING_MUTTER, .files = FILES_SESSION | FILES_UDEV, \
	.needs_files = true

static const struct program programs[] = {
	{.name = "mutter", GNOME},
	{.name = "gnome-shell", GNOME},
	{.name = "gnome-session", GNOME},
	{.name = "gnome-kiosk", GNOME},
	{.name = "kwin_wayland", .seats = SEAT_LOGIND},
	{.name = "kwin_wayland_wrapper", .seats = SEAT_LOGIND},
	{.name = "startplasma-wayland", .seats = SEAT_LOGIND},
	{.name = "sway", WLROOTS, .sizing = SIZING_SWAY},
	{.name = "cage", WLROOTS},
	{.name = "labwc", WLROOTS},
	{.name = "wayfire", WLROOTS},
	{.name = "river", WLROOTS},
	{.name = "dwl", WLROOTS},
	{.name = "phoc", WLROOTS},
	{.name = "gamescope", WLROOTS},
	{.name = "hikari", WLROOTS},
	/* Up to 10 weston-launch, from 11 libseat: each finds what it looks for. */
	{.name = "weston",
		.seats = SEAT_WESTON | SEAT_SEATD,
		.sizing = SIZING_WESTON,
		.files = FILES_SESSION | FILES_USER},
	{.name = "Xorg", .seats = SEAT_FD, .sizing = SIZING_XORG, .speaks_x11 = true},
	{.name = "X", .seats = SEAT_FD, .sizing = SIZING_XORG, .speaks_x11 = true},
	{.name = "flutter-pi", .seats = SEAT_FD},
	{.name = "kmscube", .seats = SEAT_PRELOAD},
	{.name = "modetest", .seats = SEAT_PRELOAD},
	{.name = "mpv", .seats = SEAT_PRELOAD},
	{.name = "ffplay", .seats = SEAT_PRELOAD},
	{.name = "gst-launch-1.0", .seats = SEAT_PRELOAD},
};

/* The two seats do not disturb each other, so a program that is not known may choose. */
static const struct program unknown = {
	.name = NULL,
	.seats = SEAT_LOGIND | SEAT_SEATD,
	.files = FILES_SESSION | FILES_UDEV,
	.needs_spare = true,
};

static const char *const wrappers[] = {"dbus-run-session", "dbus-launch", "env", "nice", "ionice",
	"setpriv", "stdbuf", "timeout", "exec", "tini", "dumb-init", "catatonit", "strace", "gdb"};
static const char *const shells[] = {"sh", "bash", "dash", "zsh", "ash", "busybox"};

static const char *base_name(const char *path) {
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static const struct program *lookup(const char *word) {
	const char *name = base_name(word);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (strcmp(programs[i].name, name) == 0) {
			return &programs[i];
		}
	}
	return NULL;
}

static bool is_one_of(const char *word, const char *const names[], size_t count) {
	const char *name = base_name(word);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* The first word of a shell's arguments that is a program, be it within a script. */
static const struct program *find_in_script(char *const argv[]) {
	for (; *argv; argv++) {
		AUTO_FREE char *script = strdup(*argv);
		char *rest = NULL;
		for (char *word = script ? strtok_r(script, " \t\n;&|()\"'", &rest) : NULL; word;
			word = strtok_r(NULL, " \t\n;&|()\"'", &rest)) {
			const struct program *program = lookup(word);
			if (program) {
				return program;
			}
		}
	}
	return &unknown;
}

const struct program *program_find(char *const argv[], int *ret_index) {
	*ret_index = -1;
	bool behind_wrapper = false;
	for (int i = 0; argv[i]; i++) {
		const struct program *program = lookup(argv[i]);
		if (program) {
			*ret_index = i;
			return program;
		}
		if (is_one_of(argv[i], shells, sizeof(shells) / sizeof(shells[0]))) {
			return find_in_script(argv + i + 1);
		}
		if (is_one_of(argv[i], wrappers, sizeof(wrappers) / sizeof(wrappers[0]))) {
			behind_wrapper = true;
		} else if (!behind_wrapper) {
			/* Words after a wrapper's name may be its options' values. */
			break;
		}
	}
	return &unknown;
}

/* The first distribution releases with libseat 0.9. */
static const struct {
	const char *id;
	double version;
} new_since[] = {{"debian", 13}, {"ubuntu", 25.04}};

static void unquote(char *value) {
	value[strcspn(value, "\n")] = '\0';
	size_t length = strlen(value);
	if (length >= 2 && (value[0] == '"' || value[0] == '\'')) {
		memmove(value, value + 1, length - 2);
		value[length - 2] = '\0';
	}
}

enum seatd_dialect program_seatd_dialect(const char *os_release) {
	AUTO_FCLOSE FILE *f = fopen(os_release, "re");
	char line[256], id[64] = "", version[64] = "";

	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, '=');
		if (!value) {
			continue;
		}
		*value++ = '\0';
		unquote(value);
		if (strcmp(line, "ID") == 0) {
			snprintf(id, sizeof(id), "%s", value);
		} else if (strcmp(line, "VERSION_ID") == 0) {
			snprintf(version, sizeof(version), "%s", value);
		}
	}
	for (size_t i = 0; i < sizeof(new_since) / sizeof(new_since[0]); i++) {
		if (strcmp(new_since[i].id, id) == 0 && version[0] != '\0' &&
			strtod(version, NULL) < new_since[i].version) {
			return SEATD_DIALECT_0_7;
		}
	}
	return SEATD_DIALECT_0_9;
}
