#include "run/idle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "run/config_file.h"

/* Whether one of the program's own arguments begins with this, or is it. */
static bool has_argument(
	const struct command *command, int index, const char *text, bool is_prefix) {
	size_t length = strlen(text) + (is_prefix ? 0 : 1);
	for (char **word = command->words + index + 1; *word && strcmp(*word, "--") != 0; word++) {
		if (strncmp(*word, text, length) == 0) {
			return true;
		}
	}
	return false;
}

/* The file that weston is going to read, or NULL. The command's words are not for keeping. */
static char *find_weston_config(
	const struct command *command, int index, const struct environment *env) {
	static const char option[] = "--config";
	for (char **word = command->words + index + 1; *word && strcmp(*word, "--") != 0; word++) {
		if (strncmp(*word, option, strlen(option)) == 0 && (*word)[strlen(option)] == '=') {
			return strdup(*word + strlen(option) + 1);
		}
		if ((strcmp(*word, option) == 0 || strcmp(*word, "-c") == 0) && word[1]) {
			return strdup(word[1]);
		}
		if (strcmp(*word, "--no-config") == 0) {
			return NULL;
		}
	}
	return config_file_find(env, config_file_weston);
}

static int keep_weston(int index, struct command *command, const struct environment *env) {
	AUTO_FREE char *config = find_weston_config(command, index, env);
	int r = 0;
	if (!has_argument(command, index, "--continue-without-input", true) &&
		!(config && config_file_has(config, "core", "require-input"))) {
		r = command_insert(command, index + 1, "--continue-without-input");
	}
	if (r >= 0 && !has_argument(command, index, "--idle-time", true) &&
		!has_argument(command, index, "-i", true) &&
		!(config && config_file_has(config, "core", "idle-time"))) {
		r = command_insert(command, index + 1, "--idle-time=0");
	}
	return r;
}

/* The server's own screen saver and power saving, of 10 minutes each. */
static int keep_xorg(int index, struct command *command) {
	int r = 0;
	if (!has_argument(command, index, "-dpms", false) &&
		!has_argument(command, index, "dpms", false)) {
		r = command_insert(command, index + 1, "-dpms");
	}
	if (r >= 0 && !has_argument(command, index, "-s", false)) {
		r = command_insert(command, index + 1, "0");
		r = r < 0 ? r : command_insert(command, index + 1, "-s");
	}
	return r;
}

/* GNOME's session has no option for it, only settings, which are the user's. What it starts may
 * hold it up: then it never is idle. */
static int keep_gnome(const struct tempdir *tempdir, struct environment *env) {
	AUTO_FREE char *folder = tempdir_make(tempdir, "xdg");
	AUTO_FREE char *autostart = folder ? tempdir_make(tempdir, "xdg/autostart") : NULL;
	if (!autostart) {
		return -errno;
	}
	int r = tempdir_write(tempdir, "xdg/autostart/scanout-run-idle.desktop",
		"[Desktop Entry]\nType=Application\nName=scanout-run: never idle\n"
		"TryExec=gnome-session-inhibit\n"
		"Exec=gnome-session-inhibit --inhibit idle --inhibit-only\n");
	return r < 0 ? r : config_file_add_folder(env, folder);
}

static void warn_of_script(const struct command *command, const struct environment *env) {
	AUTO_FREE char *config = config_file_find(env, config_file_weston);
	if (config && config_file_has(config, "core", "require-input")) {
		return;
	}
	for (char **word = command->words; *word; word++) {
		if (strstr(*word, "--continue-without-input")) {
			return;
		}
	}
	say("Cannot add options to weston in a script: add --continue-without-input "
	    "and --idle-time=0 there, or it exits without input devices and blanks "
	    "its screen after 5 minutes");
}

int idle_apply(const struct program *program, int index, struct command *command,
	const struct tempdir *tempdir, struct environment *env) {
	if (program->sizing == SIZING_WESTON && index < 0) {
		warn_of_script(command, env);
	} else if (program->sizing == SIZING_WESTON) {
		return keep_weston(index, command, env);
	} else if (program->sizing == SIZING_XORG && index >= 0) {
		return keep_xorg(index, command);
	} else if (program->quirk == QUIRK_GNOME_SESSION) {
		return keep_gnome(tempdir, env);
	}
	return 0;
}
