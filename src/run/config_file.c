#include "run/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

const char *const config_file_weston[] = {
	"%c/weston.ini", "%h/.config/weston.ini", "/etc/xdg/weston/weston.ini", NULL};

int config_file_add_folder(struct environment *env, const char *folder) {
	const char *dirs = environment_get(env, "XDG_CONFIG_DIRS");
	size_t length = strlen(folder);
	if (dirs && strncmp(dirs, folder, length) == 0 && dirs[length] == ':') {
		return 0;
	}
	AUTO_FREE char *copy = strdup(dirs && dirs[0] ? dirs : "/etc/xdg");
	if (!copy) {
		return -ENOMEM;
	}
	environment_set(env, "XDG_CONFIG_DIRS", "%s:%s", folder, copy);
	return 0;
}

char *config_file_find(const struct environment *env, const char *const patterns[]) {
	const char *home = environment_get(env, "HOME");
	const char *config = environment_get(env, "XDG_CONFIG_HOME");

	for (; *patterns; patterns++) {
		const char *pattern = *patterns;
		const char *base = "";
		const char *middle = "";
		if (strncmp(pattern, "%h", 2) == 0) {
			base = home;
		} else if (strncmp(pattern, "%c", 2) == 0) {
			bool is_set = config && config[0];
			base = is_set ? config : home;
			middle = is_set ? "" : "/.config";
		}
		char *path;
		if (!base || asprintf(&path, "%s%s%s", base, middle,
				     pattern[0] == '%' ? pattern + 2 : pattern) < 0) {
			continue;
		}
		if (access(path, R_OK) == 0) {
			return path;
		}
		free(path);
	}
	return NULL;
}

bool config_file_has(const char *path, const char *section, const char *key) {
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	AUTO_FREE char *line = NULL;
	size_t size = 0, length = strlen(section), key_length = strlen(key);
	bool inside = false;

	while (f && getline(&line, &size, f) > 0) {
		if (line[0] == '[') {
			if (inside) {
				return false; /* another one of this name is not looked at */
			}
			inside = strncmp(line + 1, section, length) == 0 && line[1 + length] == ']';
		} else if (inside && strncmp(line, key, key_length) == 0 &&
			   line[key_length] == '=') {
			return true;
		}
	}
	return false;
}
