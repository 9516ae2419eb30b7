#include "sizing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "output.h"

/* < and & would end the text; an EDID may hold anything. */
static void append_escaped(char *out, size_t size, const char *text) {
	size_t used = 0;
	out[0] = '\0';
	for (; *text && used + 8 < size; text++) {
		unsigned char c = *text;
		used += c == '<' || c == '>' || c == '&' || c < ' ' || c >= 0x7f
				? snprintf(out + used, size - used, "&#%u;", c < ' ' ? 32u : c)
				: snprintf(out + used, size - used, "%c", c);
	}
}

/* System-wide configuration folders are searched in order, and the user's own comes on top. */
static int size_mutter(const struct sizing *sizing, double refresh) {
	struct output_identity identity;
	char product[128], serial[128], vendor[64];
	AUTO_FREE char *text = NULL, *folder = folder_make(sizing->folder, "xdg");

	output_identify(sizing->grant->id, &identity);
	append_escaped(vendor, sizeof(vendor), identity.vendor);
	append_escaped(product, sizeof(product), identity.product);
	append_escaped(serial, sizeof(serial), identity.serial);
	if (!folder ||
		asprintf(&text,
			"<monitors version=\"2\">\n  <configuration>\n    <logicalmonitor>\n"
			"      <x>0</x>\n      <y>0</y>\n      <scale>1</scale>\n"
			"      <primary>yes</primary>\n      <monitor>\n        <monitorspec>\n"
			"          <connector>%s</connector>\n          <vendor>%s</vendor>\n"
			"          <product>%s</product>\n          <serial>%s</serial>\n"
			"        </monitorspec>\n        <mode>\n          <width>%u</width>\n"
			"          <height>%u</height>\n          <rate>%.3f</rate>\n"
			"        </mode>\n      </monitor>\n    </logicalmonitor>\n"
			"  </configuration>\n</monitors>\n",
			output_name(sizing->grant->id), vendor, product, serial, sizing->width,
			sizing->height, refresh) < 0) {
		text = folder ? NULL : text;
		return -ENOMEM;
	}
	const char *dirs = environment_get(sizing->env, "XDG_CONFIG_DIRS");
	AUTO_FREE char *copy = strdup(dirs && dirs[0] ? dirs : "/etc/xdg");
	environment_set(sizing->env, "XDG_CONFIG_DIRS", "%s:%s", folder, copy ? copy : "");
	return folder_write(sizing->folder, "xdg/monitors.xml", text);
}

/* The first of the patterns that is a file; %h is $HOME, %c the user's configuration folder. */
static char *find_config(const struct environment *env, const char *const patterns[]) {
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

/* Points the program to a file of ours. */
static int set_config(const struct sizing *sizing, const char *name, const char *option) {
	AUTO_FREE char *path = folder_join(sizing->folder, name);
	if (!path) {
		return -ENOMEM;
	}
	int r = command_insert(sizing->command, sizing->program_index + 1, path);
	return r < 0 ? r : command_insert(sizing->command, sizing->program_index + 1, option);
}

static int size_sway(const struct sizing *sizing, double refresh) {
	static const char *const patterns[] = {"%h/.sway/config", "%c/sway/config", "%h/.i3/config",
		"%c/i3/config", "/etc/sway/config", "/etc/i3/config", NULL};
	AUTO_FREE char *base =
		command_take_option(sizing->command, sizing->program_index, "-c", "--config");
	AUTO_FREE char *text = NULL;

	if (!base) {
		base = find_config(sizing->env, patterns);
	}
	/* What comes last counts. A size that the output does not offer can be had all the same. */
	if (asprintf(&text, "%s%s%s\noutput %s mode %s%ux%u@%.3fHz\n", base ? "include \"" : "",
		    base ? base : "", base ? "\"" : "", output_name(sizing->grant->id),
		    refresh > 0 ? "" : "--custom ", sizing->width, sizing->height,
		    refresh > 0 ? refresh : 60) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	int r = folder_write(sizing->folder, "sway.conf", text);
	return r < 0 ? r : set_config(sizing, "sway.conf", "-c");
}

/* weston has no way to include a file, so the user's is copied after ours: the first counts. */
static int copy_file(const char *from, FILE *to) {
	AUTO_FCLOSE FILE *f = fopen(from, "re");
	char block[4096];
	size_t size;
	if (!f) {
		return -errno;
	}
	while ((size = fread(block, 1, sizeof(block), f)) > 0) {
		if (fwrite(block, 1, size, to) != size) {
			return -EIO;
		}
	}
	return 0;
}

static int size_weston(const struct sizing *sizing) {
	static const char *const patterns[] = {
		"%c/weston.ini", "%h/.config/weston.ini", "/etc/xdg/weston/weston.ini", NULL};
	AUTO_FREE char *base =
		command_take_option(sizing->command, sizing->program_index, "-c", "--config");
	AUTO_FREE char *path = folder_join(sizing->folder, "weston.ini");
	AUTO_FREE char *option = NULL;

	if (!path || asprintf(&option, "--config=%s", path) < 0) {
		option = NULL;
		return -ENOMEM;
	}
	if (!base) {
		base = find_config(sizing->env, patterns);
	}
	AUTO_FCLOSE FILE *f = fopen(path, "we");
	if (!f) {
		return -errno;
	}
	fprintf(f, "[output]\nname=%s\nmode=%ux%u\n\n", output_name(sizing->grant->id),
		sizing->width, sizing->height);
	int r = base ? copy_file(base, f) : 0;
	if (r < 0 || fflush(f) != 0) {
		return r < 0 ? r : -errno;
	}
	return command_insert(sizing->command, sizing->program_index + 1, option);
}

static int size_xorg(const struct sizing *sizing) {
	char text[256];
	AUTO_FREE char *own = command_take_option(
		sizing->command, sizing->program_index, "-config", "-xf86config");
	if (own || access("/etc/X11/xorg.conf", F_OK) == 0) {
		say("--size is left to the xorg.conf that is there");
		return own ? command_insert(sizing->command, sizing->program_index + 1, own) < 0 ||
					       command_insert(sizing->command,
						       sizing->program_index + 1, "-config") < 0
				       ? -ENOMEM
				       : 0
			   : 0;
	}
	snprintf(text, sizeof(text),
		"Section \"Monitor\"\n\tIdentifier \"%s\"\n\tOption \"PreferredMode\" \"%ux%u\"\n"
		"EndSection\n",
		output_name(sizing->grant->id), sizing->width, sizing->height);
	int r = folder_write(sizing->folder, "xorg.conf", text);
	return r < 0 ? r : set_config(sizing, "xorg.conf", "-config");
}

static int apply(const struct sizing *sizing, double refresh) {
	switch (sizing->program->sizing) {
	case SIZING_MUTTER:
		return size_mutter(sizing, refresh);
	case SIZING_SWAY:
		return size_sway(sizing, refresh);
	case SIZING_WESTON:
		return size_weston(sizing);
	case SIZING_XORG:
		return size_xorg(sizing);
	case SIZING_NONE:
		break;
	}
	return 0;
}

int sizing_apply(const struct sizing *sizing) {
	const struct program *program = sizing->program;
	const char *output = output_name(sizing->grant->id);
	double refresh = 0;
	char list[512] = "";

	if (program->sizing == SIZING_NONE ||
		(sizing->program_index < 0 && program->sizing != SIZING_MUTTER)) {
		say("%s cannot be told --size here; only the host can size %s for it",
			program->name ? program->name : sizing->command->words[0], output);
		return 0;
	}
	int r = output_find_mode(sizing->grant->fd, sizing->grant->connector, sizing->width,
		sizing->height, &refresh, list, sizeof(list));
	if (r == -ENOENT && program->sizing != SIZING_SWAY) {
		say("%s has no mode %ux%u for %s; choose a --size it has: %s", output,
			sizing->width, sizing->height, program->name, list);
		return r;
	}
	if (r < 0 && r != -ENOENT) {
		say("Cannot read the modes of %s: %s", output, strerror(-r));
		return r;
	}
	r = apply(sizing, refresh);
	if (r < 0) {
		say("Cannot write the configuration for --size: %s", strerror(-r));
	}
	return r;
}
