#include "run/xorg.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Where distributions have the wrapper, and the server beside it. */
static const struct {
	const char *wrapper, *server;
} wrapped[] = {
	{"/usr/lib/xorg/Xorg.wrap", "/usr/lib/xorg/Xorg"},
	{"/usr/libexec/Xorg.wrap", "/usr/libexec/Xorg"},
	{"/usr/lib/Xorg.wrap", "/usr/lib/Xorg"},
};

const char *xorg_find_wrapped(void) {
	for (size_t i = 0; i < sizeof(wrapped) / sizeof(wrapped[0]); i++) {
		if (access(wrapped[i].wrapper, F_OK) == 0 && access(wrapped[i].server, X_OK) == 0) {
			return wrapped[i].server;
		}
	}
	return NULL;
}

static bool is_usual(const char *word) {
	static const char *const names[] = {"X", "Xorg", "/usr/bin/X", "/usr/bin/Xorg"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], word) == 0) {
			return true;
		}
	}
	return false;
}

static int count_words(const struct command *command) {
	int count = 0;
	while (command->words[count]) {
		count++;
	}
	return count;
}

static int append(struct command *command, const char *word) {
	return command_insert(command, count_words(command), word);
}

static int replace(struct command *command, int index, const char *word) {
	char *copy = strdup(word);
	if (!copy) {
		return -ENOMEM;
	}
	free(command->words[index]);
	command->words[index] = copy;
	return 0;
}

static bool has_option(const struct command *command, int index, const char *option) {
	for (char *const *word = command->words + index + 1; *word; word++) {
		if (strcmp(*word, option) == 0) {
			return true;
		}
	}
	return false;
}

/* "vt7" */
static bool has_vt(const struct command *command, int index) {
	for (char *const *word = command->words + index + 1; *word; word++) {
		if (strncmp(*word, "vt", 2) == 0 && (*word)[2] >= '0' && (*word)[2] <= '9') {
			return true;
		}
	}
	return false;
}

/* xinit and startx have the server behind "--", if they are told of one, and its display first. */
static int find_server(struct command *command, int *index) {
	const char *server = xorg_find_wrapped();
	int r = 0;
	while (command->words[*index] && strcmp(command->words[*index], "--") != 0) {
		(*index)++;
	}
	if (!command->words[*index] && (r = append(command, "--")) < 0) {
		return r;
	}
	const char *next = command->words[*index + 1];
	if (next && (next[0] == '/' || next[0] == '.')) {
		(*index)++;
		r = server && is_usual(next) ? replace(command, *index, server) : 0;
	} else if (server) {
		(*index)++;
		r = command_insert(command, *index, server);
	}
	next = command->words[*index + 1];
	*index += next && next[0] == ':';
	return r;
}

int xorg_prepare(struct command *command, int *index, unsigned display) {
	const char *word = command->words[*index];
	const char *slash = strrchr(word, '/');
	const char *name = slash ? slash + 1 : word;
	const char *server = xorg_find_wrapped();
	char seat[32];
	int r = 0;

	if (strcmp(name, "xinit") == 0 || strcmp(name, "startx") == 0) {
		r = find_server(command, index);
	} else if (server && is_usual(word)) {
		r = replace(command, *index, server);
	}
	if (r >= 0 && !has_option(command, *index, "-masterfd")) {
		r = append(command, "-masterfd");
		r = r < 0 ? r : append(command, COMMAND_FD_MARK);
	}
	/* Without a console it does not look for a VT, and the seat's devices are the usual ones.
	 */
	if (r >= 0 && access("/dev/tty0", F_OK) == 0 && !has_option(command, *index, "-seat") &&
		!has_vt(command, *index)) {
		snprintf(seat, sizeof(seat), "scanout%u", display);
		r = append(command, "-seat");
		r = r < 0 ? r : append(command, seat);
	}
	return r;
}
