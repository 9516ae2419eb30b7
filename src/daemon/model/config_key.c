#include "daemon/model/config_key.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/string_list.h"

#define ID_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"

#define MAX_SIZE 16384

static bool set_devices(struct config *config, const char *value, struct config_error *error) {
	char **list = NULL;
	if (strcmp(value, "auto") != 0) {
		if (string_list_split(value, &list) < 0) {
			return config_error_set(error, "Out of memory");
		}
		for (char **p = list; *p || p == list; p++) {
			if (!*p || strncmp(*p, "/dev/", 5) != 0 || strstr(*p, "render")) {
				config_error_set(error,
					"Devices=%s is not allowed: it is 'auto' or a list of paths "
					"such as /dev/dri/card0 or "
					"/dev/dri/by-path/pci-0000:00:02.0-card",
					value);
				string_list_free(list);
				return false;
			}
		}
	}
	string_list_free(config->devices);
	config->devices = list;
	return true;
}

static bool set_seat(struct config *config, const char *value, struct config_error *error) {
	static const char *const names[] = {"auto", "libseat", "none"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			config->seat = (enum seat_mode)i;
			return true;
		}
	}
	return config_error_set(
		error, "Seat=%s is not allowed: it is 'auto', 'libseat' or 'none'", value);
}

static bool set_force_connect(
	struct config *config, const char *value, struct config_error *error) {
	bool yes = strcmp(value, "yes") == 0;
	if (!yes && strcmp(value, "no") != 0) {
		return config_error_set(
			error, "ForceConnect=%s is not allowed: it is 'yes' or 'no'", value);
	}
	config->force_connect = yes;
	return true;
}

static bool set_on_stop(struct config *config, const char *value, struct config_error *error) {
	bool release = strcmp(value, "release") == 0;
	if (!release && strcmp(value, "keep") != 0) {
		return config_error_set(
			error, "OnStop=%s is not allowed: it is 'keep' or 'release'", value);
	}
	config->release_on_stop = release;
	return true;
}

static bool set_exclude(struct config *config, const char *value, struct config_error *error) {
	char **list;
	if (string_list_split(value, &list) < 0) {
		return config_error_set(error, "Out of memory");
	}
	for (char **p = list; *p; p++) {
		/* An id that cannot exist would exclude nothing, in silence. */
		if (strncmp(*p, "card", 4) != 0 || !strchr(*p, '-') ||
			(*p)[strspn(*p, ID_CHARACTERS)] != '\0') {
			config_error_set(error,
				"Exclude=%s is not allowed: it is a list of scanout ids such as "
				"card0-Virtual-1",
				*p);
			string_list_free(list);
			return false;
		}
	}
	string_list_free(config->exclude);
	config->exclude = list;
	return true;
}

static bool set_default_size(struct config *config, const char *value, struct config_error *error) {
	unsigned width, height;
	char rest;
	if (value[strspn(value, "0123456789x")] != '\0' ||
		sscanf(value, "%5ux%5u%c", &width, &height, &rest) != 2 || width < 1 ||
		width > MAX_SIZE || height < 1 || height > MAX_SIZE) {
		return config_error_set(error,
			"DefaultSize=%s is not allowed: it is a size such as 1920x1080, each side from "
			"1 to %d",
			value, MAX_SIZE);
	}
	config->default_width = width;
	config->default_height = height;
	return true;
}

static bool set_agent_socket(struct config *config, const char *value, struct config_error *error) {
	/* sun_path has 108 bytes. */
	if (value[0] != '\0' && (value[0] != '/' || strlen(value) > 107)) {
		return config_error_set(error,
			"Socket=%s is not allowed: it is an absolute path of at most 107 bytes, or "
			"empty",
			value);
	}
	char *copy = value[0] != '\0' ? strdup(value) : NULL;
	if (value[0] != '\0' && !copy) {
		return config_error_set(error, "Out of memory");
	}
	free(config->agent_socket);
	config->agent_socket = copy;
	return true;
}

static bool set_admin_group(struct config *config, const char *value, struct config_error *error) {
	struct group *group = value[0] != '\0' ? getgrnam(value) : NULL;
	if (value[0] != '\0' && !group) {
		return config_error_set(error,
			"AdminGroup=%s is not allowed: there is no such group. Create it with "
			"'groupadd --system %s' or leave the value empty",
			value, value);
	}
	char *copy = group ? strdup(value) : NULL;
	if (group && !copy) {
		return config_error_set(error, "Out of memory");
	}
	free(config->admin_group);
	config->admin_group = copy;
	config->admin_gid = group ? group->gr_gid : (gid_t)-1;
	return true;
}

static bool read_number(
	const char *value, unsigned long min, unsigned long max, unsigned long *ret) {
	char *end;
	errno = 0;
	*ret = strtoul(value, &end, 10);
	return value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 && *ret >= min &&
	       *ret <= max;
}

static bool set_max_per_holder(
	struct config *config, const char *value, struct config_error *error) {
	unsigned long number;
	if (!read_number(value, 1, 4096, &number)) {
		return config_error_set(error,
			"MaxPerHolder=%s is not allowed: it is a number from 1 to 4096", value);
	}
	config->max_per_holder = (unsigned)number;
	return true;
}

static bool set_max_linger(struct config *config, const char *value, struct config_error *error) {
	unsigned long seconds;
	if (!read_number(value, 0, 86400, &seconds)) {
		return config_error_set(error,
			"MaxLinger=%s is not allowed: it is a number of seconds from 0 to 86400",
			value);
	}
	config->max_linger_usec = (uint64_t)seconds * 1000000;
	return true;
}

static const struct {
	const char *section, *name;
	bool (*set)(struct config *config, const char *value, struct config_error *error);
} keys[] = {
	{"Card", "Devices", set_devices},
	{"Card", "Seat", set_seat},
	{"Card", "ForceConnect", set_force_connect},
	{"Card", "OnStop", set_on_stop},
	{"Scanouts", "Exclude", set_exclude},
	{"Scanouts", "DefaultSize", set_default_size},
	{"Agent", "Socket", set_agent_socket},
	{"Policy", "AdminGroup", set_admin_group},
	{"Policy", "MaxPerHolder", set_max_per_holder},
	{"Policy", "MaxLinger", set_max_linger},
};

bool config_key_has_section(const char *name, size_t length) {
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].section) == length &&
			memcmp(keys[i].section, name, length) == 0) {
			return true;
		}
	}
	return false;
}

bool config_key_set(struct config *config, unsigned *seen, const char *section, const char *name,
	const char *value, struct config_error *error) {
	char allowed[128] = "";

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(section, keys[i].section) != 0) {
			continue;
		}
		if (strcmp(name, keys[i].name) == 0) {
			if (*seen & 1u << i) {
				return config_error_set(
					error, "%s= stands twice in this file", name);
			}
			*seen |= 1u << i;
			return keys[i].set(config, value, error);
		}
		size_t n = strlen(allowed);
		snprintf(allowed + n, sizeof(allowed) - n, "%s%s=", n ? ", " : "", keys[i].name);
	}
	if (section[0] == '\0') {
		return config_error_set(
			error, "%s= stands before any section: " CONFIG_KEY_SECTIONS, name);
	}
	return config_error_set(error, "[%s] has no key %s=; it has %s", section, name, allowed);
}
