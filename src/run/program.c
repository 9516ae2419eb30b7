#include "run/program.h"

#include <string.h>

#include "common/cleanup.h"
#include "seat/login_files.h"

#define WLROOTS .seats = SEAT_SEATD, .files = LOGIN_FILES_SESSION, .needs_spare = true
#define GNOME                                          \
	.seats = SEAT_LOGIND, .sizing = SIZING_MUTTER, \
	.files = LOGIN_FILES_SESSION | LOGIN_FILES_UDEV, .needs_files = true
#define KWIN .seats = SEAT_LOGIND, .quirk = QUIRK_KWIN

static const struct program programs[] = {
	{.name = "mutter", GNOME},
	{.name = "gnome-shell", GNOME},
	{.name = "gnome-session", GNOME, .quirk = QUIRK_GNOME_SESSION},
	{.name = "kwin_wayland", KWIN},
	{.name = "kwin_wayland_wrapper", KWIN, .starts = "kwin_wayland"},
	{.name = "startplasma-wayland", KWIN, .starts = "kwin_wayland"},
	{.name = "sway", WLROOTS, .sizing = SIZING_SWAY},
	{.name = "cage", WLROOTS},
	{.name = "phoc", WLROOTS},
	/* Up to 10 weston-launch, from 11 libseat: each finds what it looks for. */
	{.name = "weston",
		.seats = SEAT_WESTON | SEAT_SEATD,
		.sizing = SIZING_WESTON,
		.files = LOGIN_FILES_SESSION | LOGIN_FILES_USER},
	{.name = "Xorg", .seats = SEAT_FD, .sizing = SIZING_XORG, .speaks_x11 = true},
	{.name = "X", .seats = SEAT_FD, .sizing = SIZING_XORG, .speaks_x11 = true},
	{.name = "xinit", .seats = SEAT_FD, .sizing = SIZING_XORG, .speaks_x11 = true},
	{.name = "startx", .seats = SEAT_FD, .sizing = SIZING_XORG, .speaks_x11 = true},
	{.name = "kmscube", .seats = SEAT_PRELOAD},
	{.name = "modetest", .seats = SEAT_PRELOAD},
	{.name = "mpv", .seats = SEAT_PRELOAD},
	{.name = "ffplay", .seats = SEAT_PRELOAD},
};

/* The two seats do not disturb each other, so a program that is not known may choose. It is also
 * what other compositors of wlroots need. */
static const struct program unknown = {
	.name = NULL,
	.seats = SEAT_LOGIND | SEAT_SEATD,
	.files = LOGIN_FILES_SESSION | LOGIN_FILES_UDEV,
	.needs_spare = true,
};

static const char *const wrappers[] = {"dbus-run-session", "dbus-launch", "env", "nice", "ionice",
	"stdbuf", "timeout", "exec", "tini", "dumb-init", "catatonit", "strace", "gdb"};
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

/* The first word of a script that is a program, or NULL; and whether the user changes there. */
static const struct program *find_in_script(const char *text, struct user_switch *ret_switch) {
	AUTO_FREE char *script = strdup(text);
	struct user_switch found;
	char *rest = NULL;
	for (char *word = script ? strtok_r(script, " \t\n;&|()\"'", &rest) : NULL; word;
		word = strtok_r(NULL, " \t\n;&|()\"'", &rest)) {
		const struct program *program = lookup(word);
		if (program) {
			return program;
		}
		char *const alone[] = {word, NULL};
		if (switch_read(alone, &found)) {
			*ret_switch = (struct user_switch){.program = text};
		}
	}
	return NULL;
}

const struct program *program_find(
	char *const argv[], int *ret_index, struct user_switch *ret_switch) {
	bool behind_wrapper = false, behind_shell = false;
	int user_index = -1;

	*ret_index = -1;
	*ret_switch = (struct user_switch){0};
	for (int i = 0; argv[i]; i++) {
		if (i == user_index) {
			continue; /* there are users called weston */
		}
		const struct program *program = lookup(argv[i]);
		if (program && !behind_shell) {
			*ret_index = i;
			return program;
		}
		if (behind_wrapper && (program = find_in_script(argv[i], ret_switch))) {
			return program;
		}
		if (is_one_of(argv[i], shells, sizeof(shells) / sizeof(shells[0]))) {
			behind_shell = behind_wrapper = true;
		} else if (switch_read(argv + i, ret_switch)) {
			behind_wrapper = true;
			user_index = ret_switch->user ? i + ret_switch->user_index : -1;
		} else if (is_one_of(argv[i], wrappers, sizeof(wrappers) / sizeof(wrappers[0]))) {
			behind_wrapper = true;
		} else if (!behind_wrapper) {
			/* Words after a wrapper's name may be its options' values. */
			break;
		}
	}
	return &unknown;
}
