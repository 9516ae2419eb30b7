#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* A holder that asks in a loop must not be able to empty the card. */
#define DEFAULT_MAX_PER_HOLDER 4
/* Time to start a desktop again; what lingers keeps its memory and its scanout that long. */
#define DEFAULT_MAX_LINGER_SEC 60

#define MAX_LINE 65000
#define ID_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"

struct parser {
	struct config *config;
	const char *path;
	FILE *file;
	int line;
	bool in_line;  // the last chunk that was read did not end its line
	int length;    // of the line so far
	unsigned seen; // bit per key, to refuse one that stands twice in a file
	char *error;
	size_t error_size;
};

static void free_list(char **list) {
	for (char **p = list; p && *p; p++) {
		free(*p);
	}
	free(list);
}

int config_copy_list(char *const *list, char ***ret) {
	size_t n = 0;
	while (list && list[n]) {
		n++;
	}
	char **copy = calloc(n + 1, sizeof(*copy));
	if (!copy) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(list[i]);
		if (!copy[i]) {
			free_list(copy);
			return -ENOMEM;
		}
	}
	*ret = copy;
	return 0;
}

void config_finish(struct config *config) {
	free_list(config->devices);
	free_list(config->exclude);
	free(config->guest_socket);
	free(config->admin_group);
	*config = (struct config){0};
}

/* Remembers the first thing that is wrong. Returns 0, inih's sign to stop. */
__attribute__((format(printf, 2, 3))) static int fail(
	struct parser *parser, const char *format, ...) {
	if (parser->error[0] != '\0') {
		return 0;
	}
	int n = snprintf(parser->error, parser->error_size, "%s:%d: ", parser->path, parser->line);
	if (n >= 0 && (size_t)n < parser->error_size) {
		va_list args;
		va_start(args, format);
		vsnprintf(parser->error + n, parser->error_size - n, format, args);
		va_end(args);
	}
	return 0;
}

/* Splits at white space. An empty value gives an empty list. */
static int split(const char *value, char ***ret) {
	size_t n = 0;
	char **list = calloc(strlen(value) / 2 + 2, sizeof(*list));
	if (!list) {
		return -ENOMEM;
	}
	for (const char *p = value; *(p += strspn(p, " \t")) != '\0';) {
		size_t length = strcspn(p, " \t");
		list[n] = strndup(p, length);
		if (!list[n++]) {
			free_list(list);
			return -ENOMEM;
		}
		p += length;
	}
	*ret = list;
	return 0;
}

static int set_devices(struct parser *parser, const char *value) {
	char **list = NULL;
	if (strcmp(value, "auto") != 0) {
		if (split(value, &list) < 0) {
			return fail(parser, "Out of memory");
		}
		for (char **p = list; *p || p == list; p++) {
			if (!*p || strncmp(*p, "/dev/dri/card", 13) != 0) {
				int r = fail(parser,
					"Devices=%s is not allowed: it is 'auto' or a list of paths "
					"such as /dev/dri/card0",
					value);
				free_list(list);
				return r;
			}
		}
	}
	free_list(parser->config->devices);
	parser->config->devices = list;
	return 1;
}

static int set_seat(struct parser *parser, const char *value) {
	static const char *const names[] = {"auto", "libseat", "none"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			parser->config->seat = (enum config_seat)i;
			return 1;
		}
	}
	return fail(parser, "Seat=%s is not allowed: it is 'auto', 'libseat' or 'none'", value);
}

static int set_force_connect(struct parser *parser, const char *value) {
	bool yes = strcmp(value, "yes") == 0;
	if (!yes && strcmp(value, "no") != 0) {
		return fail(parser, "ForceConnect=%s is not allowed: it is 'yes' or 'no'", value);
	}
	parser->config->force_connect = yes;
	return 1;
}

static int set_on_stop(struct parser *parser, const char *value) {
	bool release = strcmp(value, "release") == 0;
	if (!release && strcmp(value, "keep") != 0) {
		return fail(parser, "OnStop=%s is not allowed: it is 'keep' or 'release'", value);
	}
	parser->config->release_on_stop = release;
	return 1;
}

static int set_exclude(struct parser *parser, const char *value) {
	char **list;
	if (split(value, &list) < 0) {
		return fail(parser, "Out of memory");
	}
	for (char **p = list; *p; p++) {
		/* An id that cannot exist would exclude nothing, in silence. */
		if (strncmp(*p, "card", 4) != 0 || !strchr(*p, '-') ||
			(*p)[strspn(*p, ID_CHARACTERS)] != '\0') {
			fail(parser,
				"Exclude=%s is not allowed: it is a list of scanout ids such as "
				"card0-Virtual-1",
				*p);
			free_list(list);
			return 0;
		}
	}
	free_list(parser->config->exclude);
	parser->config->exclude = list;
	return 1;
}

static int set_guest_socket(struct parser *parser, const char *value) {
	/* sun_path has 108 bytes. */
	if (value[0] != '\0' && (value[0] != '/' || strlen(value) > 107)) {
		return fail(parser,
			"Socket=%s is not allowed: it is an absolute path of at most 107 bytes, or "
			"empty",
			value);
	}
	char *copy = value[0] != '\0' ? strdup(value) : NULL;
	if (value[0] != '\0' && !copy) {
		return fail(parser, "Out of memory");
	}
	free(parser->config->guest_socket);
	parser->config->guest_socket = copy;
	return 1;
}

static int set_admin_group(struct parser *parser, const char *value) {
	struct group *group = value[0] != '\0' ? getgrnam(value) : NULL;
	if (value[0] != '\0' && !group) {
		return fail(parser,
			"AdminGroup=%s is not allowed: there is no such group. Create it with "
			"'groupadd --system %s' or leave the value empty",
			value, value);
	}
	char *copy = group ? strdup(value) : NULL;
	if (group && !copy) {
		return fail(parser, "Out of memory");
	}
	free(parser->config->admin_group);
	parser->config->admin_group = copy;
	parser->config->admin_gid = group ? group->gr_gid : (gid_t)-1;
	return 1;
}

static bool read_number(
	const char *value, unsigned long min, unsigned long max, unsigned long *ret) {
	char *end;
	errno = 0;
	*ret = strtoul(value, &end, 10);
	return value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 && *ret >= min &&
	       *ret <= max;
}

static int set_max_per_holder(struct parser *parser, const char *value) {
	unsigned long number;
	if (!read_number(value, 1, 4096, &number)) {
		return fail(parser, "MaxPerHolder=%s is not allowed: it is a number from 1 to 4096",
			value);
	}
	parser->config->max_per_holder = (unsigned)number;
	return 1;
}

static int set_max_linger(struct parser *parser, const char *value) {
	unsigned long seconds;
	if (!read_number(value, 0, 86400, &seconds)) {
		return fail(parser,
			"MaxLinger=%s is not allowed: it is a number of seconds from 0 to 86400",
			value);
	}
	parser->config->max_linger_usec = (uint64_t)seconds * 1000000;
	return 1;
}

static const struct {
	const char *section, *name;
	int (*set)(struct parser *parser, const char *value);
} keys[] = {
	{"Card", "Devices", set_devices},
	{"Card", "Seat", set_seat},
	{"Card", "ForceConnect", set_force_connect},
	{"Card", "OnStop", set_on_stop},
	{"Scanouts", "Exclude", set_exclude},
	{"Guest", "Socket", set_guest_socket},
	{"Policy", "AdminGroup", set_admin_group},
	{"Policy", "MaxPerHolder", set_max_per_holder},
	{"Policy", "MaxLinger", set_max_linger},
};

static bool known_section(const char *name, size_t length) {
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].section) == length &&
			memcmp(keys[i].section, name, length) == 0) {
			return true;
		}
	}
	return false;
}

static int handle_key(void *user, const char *section, const char *name, const char *value) {
	struct parser *parser = user;
	char allowed[128] = "";

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(section, keys[i].section) != 0) {
			continue;
		}
		if (strcmp(name, keys[i].name) == 0) {
			if (parser->seen & 1u << i) {
				return fail(parser, "%s= stands twice in this file", name);
			}
			parser->seen |= 1u << i;
			return keys[i].set(parser, value);
		}
		size_t n = strlen(allowed);
		snprintf(allowed + n, sizeof(allowed) - n, "%s%s=", n ? ", " : "", keys[i].name);
	}
	if (section[0] == '\0') {
		return fail(parser,
			"%s= stands before any section: [Card], [Scanouts], [Guest] or [Policy]",
			name);
	}
	return fail(parser, "[%s] has no key %s=; it has %s", section, name, allowed);
}

/* What inih does not say: an unknown section without keys, and text behind a section. */
static bool check_header(struct parser *parser, const char *text) {
	size_t length = strcspn(text + 1, "]\r\n");
	if (text[1 + length] != ']') {
		return true; // inih refuses it
	}
	if (!known_section(text + 1, length)) {
		return fail(parser,
			"unknown section [%.*s]: it is [Card], [Scanouts], [Guest] or [Policy]",
			(int)length, text + 1);
	}
	const char *rest = text + length + 2;
	rest += strspn(rest, " \t\r\n");
	if (*rest != '\0') {
		return fail(parser,
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
		parser->line++;
		parser->length = 0;
	}
	parser->length += n;
	if (memchr(buffer, '\0', (size_t)n)) {
		fail(parser, "there is a NUL byte in this line");
		return NULL;
	}
	if (parser->length > MAX_LINE) {
		fail(parser, "this line is longer than %d characters", MAX_LINE);
		return NULL;
	}
	const char *text = buffer + strspn(buffer, " \t");
	if (starts_line && *text == '[' && !check_header(parser, text)) {
		return NULL;
	}
	return buffer;
}

static int load_file(struct parser *parser, const char *path) {
	parser->path = path;
	parser->line = 0;
	parser->in_line = false;
	parser->seen = 0;
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	if (!file) {
		if (errno == ENOENT) {
			return 0;
		}
		int r = -errno;
		fail(parser, "cannot be read: %m");
		return r;
	}
	parser->file = file;

	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_use_stack = false; // long lines: grow the buffer instead of cutting at 200 bytes
	ini_allow_realloc = true;
	ini_max_line = MAX_LINE + 200; // ours is noticed first; inih's would cut the line
	ini_stop_on_first_error = true;
	int r = ini_parse_stream(read_line, parser, handle_key, parser);
	if (r != 0) {
		fail(parser, "this is neither a [Section], a Key=value nor a # comment");
	}
	if (ferror(file)) {
		fail(parser, "cannot be read: it is a directory or the disk failed");
	}
	return parser->error[0] != '\0' ? -EINVAL : 0;
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
		parser->path = directory;
		parser->line = 0;
		fail(parser, "cannot be read: %m");
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
		.seat = CONFIG_SEAT_AUTO,
		.force_connect = true,
		.admin_gid = (gid_t)-1,
		.max_per_holder = DEFAULT_MAX_PER_HOLDER,
		.max_linger_usec = DEFAULT_MAX_LINGER_SEC * UINT64_C(1000000),
	};
	struct parser parser = {.config = &config, .error = error, .error_size = error_size};
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
