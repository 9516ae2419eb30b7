#include "daemon/model/config_file.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
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

#define MAX_LINE 65000

struct parser {
	struct config *config;
	struct config_error error;
	FILE *file;
	bool in_line;  // the last chunk that was read did not end its line
	int length;    // of the line so far
	unsigned seen; // of the keys, for config_key_set()
};

/* What inih does not say: an unknown section without keys, and text behind a section. */
static bool check_header(struct parser *parser, const char *text) {
	size_t length = strcspn(text + 1, "]\r\n");
	if (text[1 + length] != ']') {
		return true; // inih refuses it
	}
	if (!config_key_has_section(text + 1, length)) {
		return config_error_set(&parser->error,
			"unknown section [%.*s]: it is " CONFIG_KEY_SECTIONS, (int)length,
			text + 1);
	}
	const char *rest = text + length + 2;
	rest += strspn(rest, " \t\r\n");
	if (*rest != '\0') {
		return config_error_set(&parser->error,
			"'%.*s' stands behind the section; it belongs on a line of its own",
			(int)strcspn(rest, "\r\n"), rest);
	}
	return true;
}

/* inih's reader: counts the lines and looks at what inih would pass over. */
static char *read_line(char *buffer, int size, void *stream) {
	struct parser *parser = stream;
	int n = 0, c = 0;
	while (n < size - 1 && c != '\n' && (c = getc(parser->file)) != EOF) {
		buffer[n++] = (char)c;
	}
	buffer[n] = '\0';
	if (n == 0) {
		return NULL;
	}
	bool starts_line = !parser->in_line;
	parser->in_line = c != '\n';
	if (starts_line) {
		parser->error.line++;
		parser->length = 0;
	}
	parser->length += n;
	if (memchr(buffer, '\0', (size_t)n)) {
		config_error_set(&parser->error, "there is a NUL byte in this line");
		return NULL;
	}
	if (parser->length > MAX_LINE) {
		config_error_set(
			&parser->error, "this line is longer than %d characters", MAX_LINE);
		return NULL;
	}
	const char *text = buffer + strspn(buffer, " \t");
	if (starts_line && *text == '[' && !check_header(parser, text)) {
		return NULL;
	}
	return buffer;
}

static int set_key(void *user, const char *section, const char *name, const char *value) {
	struct parser *parser = user;
	return config_key_set(parser->config, &parser->seen, section, name, value, &parser->error);
}

static int load_file(struct parser *parser, const char *path) {
	parser->error.path = path;
	parser->error.line = 0;
	parser->in_line = false;
	parser->seen = 0;
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	if (!file) {
		if (errno == ENOENT) {
			return 0;
		}
		int r = -errno;
		config_error_set(&parser->error, "cannot be read: %m");
		return r;
	}
	parser->file = file;

	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_use_stack = false; // long lines: grow the buffer instead of cutting at 200 bytes
	ini_allow_realloc = true;
	ini_max_line = MAX_LINE + 200; // ours is noticed first; inih's would cut the line
	ini_stop_on_first_error = true;
	int r = ini_parse_stream(read_line, parser, set_key, parser);
	if (r != 0) {
		config_error_set(
			&parser->error, "this is neither a [Section], a Key=value nor a # comment");
	}
	if (ferror(file)) {
		config_error_set(
			&parser->error, "cannot be read: it is a directory or the disk failed");
	}
	return parser->error.text[0] != '\0' ? -EINVAL : 0;
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
