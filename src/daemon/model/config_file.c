#include "daemon/model/config_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/model/config_key.h"

/* A holder that asks in a loop must not be able to empty the card. */
#define DEFAULT_MAX_PER_HOLDER 4
/* Time to start a desktop again; what lingers keeps its memory and its scanout that long. */
#define DEFAULT_MAX_LINGER_SEC 60

/* What most screens have. */
#define DEFAULT_WIDTH 1920
#define DEFAULT_HEIGHT 1080

struct parser {
	struct config *config;
	struct config_error error;
	char section[16]; // where the line is; "": before any
	unsigned seen;    // of the keys, for config_key_set()
};

static char *strip(char *text) {
	static const char blank[] = " \t\r\n";
	size_t length = strlen(text);
	while (length > 0 && strchr(blank, text[length - 1])) {
		length--;
	}
	text[length] = '\0';
	return text + strspn(text, blank);
}

static bool neither(struct parser *parser) {
	return config_error_set(
		&parser->error, "this is neither a [Section], a Key=value nor a # comment");
}

static bool read_section(struct parser *parser, const char *text) {
	size_t length = strcspn(text + 1, "]");
	const char *rest = text + 1 + length;
	if (*rest != ']') {
		return neither(parser);
	}
	rest += 1 + strspn(rest + 1, " \t");
	if (!config_key_has_section(text + 1, length)) {
		return config_error_set(&parser->error,
			"unknown section [%.*s]: it is " CONFIG_KEY_SECTIONS, (int)length,
			text + 1);
	}
	if (*rest != '\0') {
		return config_error_set(&parser->error,
			"'%s' stands behind the section; it belongs on a line of its own", rest);
	}
	snprintf(parser->section, sizeof(parser->section), "%.*s", (int)length, text + 1);
	return true;
}

static bool read_line(struct parser *parser, char *line, size_t size) {
	if (memchr(line, '\0', size)) {
		return config_error_set(&parser->error, "there is a NUL byte in this line");
	}
	char *text = strip(line);
	if (text[0] == '\0' || text[0] == '#' || text[0] == ';') {
		return true;
	}
	if (text[0] == '[') {
		return read_section(parser, text);
	}
	char *value = strchr(text, '=');
	if (!value) {
		return neither(parser);
	}
	*value = '\0';
	return config_key_set(parser->config, &parser->seen, parser->section, strip(text),
		strip(value + 1), &parser->error);
}

static int load_file(struct parser *parser, const char *path) {
	AUTO_FREE char *line = NULL;
	size_t room = 0;
	ssize_t size;
	parser->error.path = path;
	parser->error.line = 0;
	parser->section[0] = '\0';
	parser->seen = 0;
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	if (!file && errno == ENOENT) {
		return 0;
	}
	while (file && (size = getline(&line, &room, file)) >= 0) {
		parser->error.line++;
		if (!read_line(parser, line, (size_t)size)) {
			return -EINVAL;
		}
	}
	if (file && feof(file)) {
		return 0;
	}
	int r = -errno;
	config_error_set(&parser->error, "cannot be read: %m");
	return r;
}

static int only_conf(const struct dirent *entry) {
	size_t length = strlen(entry->d_name);
	return entry->d_name[0] != '.' && length > 5 &&
	       strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static int load_drop_ins(struct parser *parser, const char *path) {
	char directory[PATH_MAX], file[PATH_MAX + 257];
	struct dirent **entries;

	snprintf(directory, sizeof(directory), "%s.d", path);
	int n = scandir(directory, &entries, only_conf, alphasort);
	if (n < 0) {
		if (errno == ENOENT) {
			return 0;
		}
		int r = -errno;
		parser->error.path = directory;
		parser->error.line = 0;
		config_error_set(&parser->error, "cannot be read: %m");
		return r;
	}
	int r = 0;
	for (int i = 0; i < n; i++) {
		if (r == 0) {
			snprintf(file, sizeof(file), "%s/%s", directory, entries[i]->d_name);
			r = load_file(parser, file);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

int config_load(const char *path, struct config *ret, char *error, size_t error_size) {
	CLEANUP(config_finish)
	struct config config = {
		.seat = SEAT_AUTO,
		.force_connect = true,
		.default_width = DEFAULT_WIDTH,
		.default_height = DEFAULT_HEIGHT,
		.admin_gid = (gid_t)-1,
		.max_per_holder = DEFAULT_MAX_PER_HOLDER,
		.max_linger_usec = DEFAULT_MAX_LINGER_SEC * UINT64_C(1000000),
	};
	struct parser parser = {
		.config = &config,
		.error = {.text = error, .size = error_size},
	};
	error[0] = '\0';

	int r = load_file(&parser, path);
	if (r == 0) {
		r = load_drop_ins(&parser, path);
	}
	if (r < 0) {
		return r;
	}
	*ret = config;
	config = (struct config){0};
	return 0;
}
