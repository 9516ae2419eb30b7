#include "run/sizing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "run/config_file.h"
#include "run/modeline.h"
#include "run/output.h"

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

/* The user's own comes on top of it. */
static int size_mutter(const struct sizing *sizing, double refresh) {
	struct output_identity identity;
	char product[128], serial[128], vendor[64];
	AUTO_FREE char *text = NULL, *folder = tempdir_make(sizing->tempdir, "xdg");

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
	int r = config_file_add_folder(sizing->env, folder);
	return r < 0 ? r : tempdir_write(sizing->tempdir, "xdg/monitors.xml", text);
}

/* Points the program to a file of ours. */
static int set_config(const struct sizing *sizing, const char *name, const char *option) {
	AUTO_FREE char *path = tempdir_join(sizing->tempdir, name);
	if (!path) {
		return -ENOMEM;
	}
	int r = command_insert(sizing->command, sizing->program_index + 1, path);
	return r < 0 ? r : command_insert(sizing->command, sizing->program_index + 1, option);
}

static int size_sway(const struct sizing *sizing, const char *mode) {
	static const char *const patterns[] = {"%h/.sway/config", "%c/sway/config", "%h/.i3/config",
		"%c/i3/config", "/etc/sway/config", "/etc/i3/config", NULL};
	AUTO_FREE char *base =
		command_take_option(sizing->command, sizing->program_index, "-c", "--config");
	AUTO_FREE char *text = NULL;

	if (!base) {
		base = config_file_find(sizing->env, patterns);
	}
	/* What comes last counts. */
	if (asprintf(&text, "%s%s%s\noutput %s %s\n", base ? "include \"" : "", base ? base : "",
		    base ? "\"" : "", output_name(sizing->grant->id), mode) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	int r = tempdir_write(sizing->tempdir, "sway.conf", text);
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

static int size_weston(const struct sizing *sizing, const char *mode) {
	AUTO_FREE char *base =
		command_take_option(sizing->command, sizing->program_index, "-c", "--config");
	AUTO_FREE char *path = tempdir_join(sizing->tempdir, "weston.ini");
	AUTO_FREE char *option = NULL;

	if (!path || asprintf(&option, "--config=%s", path) < 0) {
		option = NULL;
		return -ENOMEM;
	}
	if (!base) {
		base = config_file_find(sizing->env, config_file_weston);
	}
	AUTO_FCLOSE FILE *f = fopen(path, "we");
	if (!f) {
		return -errno;
	}
	fprintf(f, "[output]\nname=%s\nmode=%s\n\n", output_name(sizing->grant->id), mode);
	int r = base ? copy_file(base, f) : 0;
	if (r < 0 || fflush(f) != 0) {
		return r < 0 ? r : -errno;
	}
	return command_insert(sizing->command, sizing->program_index + 1, option);
}

static int size_xorg(const struct sizing *sizing, const char *modeline) {
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *own = command_take_option(
		sizing->command, sizing->program_index, "-config", "-xf86config");
	if (own || access("/etc/X11/xorg.conf", F_OK) == 0) {
		say("There is an xorg.conf already, which --size does not change; set PreferredMode "
		    "there");
		return own ? command_insert(sizing->command, sizing->program_index + 1, own) < 0 ||
					       command_insert(sizing->command,
						       sizing->program_index + 1, "-config") < 0
				       ? -ENOMEM
				       : 0
			   : 0;
	}
	if (asprintf(&text,
		    "Section \"Monitor\"\n\tIdentifier \"%s\"\n%s\tOption \"PreferredMode\" "
		    "\"%ux%u\"\nEndSection\n",
		    output_name(sizing->grant->id), modeline, sizing->width, sizing->height) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	int r = tempdir_write(sizing->tempdir, "xorg.conf", text);
	return r < 0 ? r : set_config(sizing, "xorg.conf", "-config");
}

/* `refresh` 0: the output has no such mode, so the program is told its timings. */
static int apply(const struct sizing *sizing, double refresh) {
	unsigned width = sizing->width, height = sizing->height;
	char modeline[MODELINE_SIZE], text[2 * MODELINE_SIZE] = "";

	modeline_print(width, height, modeline, sizeof(modeline));
	switch (sizing->program->sizing) {
	case SIZING_MUTTER:
		return size_mutter(sizing, refresh);
	case SIZING_SWAY:
		if (refresh > 0) {
			snprintf(text, sizeof(text), "mode %ux%u@%.3fHz", width, height, refresh);
		} else {
			snprintf(text, sizeof(text), "modeline %s", modeline);
		}
		return size_sway(sizing, text);
	case SIZING_WESTON:
		snprintf(text, sizeof(text), "%ux%u", width, height);
		return size_weston(sizing, refresh > 0 ? text : modeline);
	case SIZING_XORG:
		if (refresh == 0) {
			snprintf(text, sizeof(text), "\tModeline \"%ux%u\" %s\n", width, height,
				modeline);
		}
		return size_xorg(sizing, text);
	case SIZING_NONE:
		break;
	}
	return 0;
}

/* Told, if the card can show no such picture, whatever the program. */
static bool is_beyond_card(const struct sizing *sizing) {
	struct output_limits limits;
	if (output_read_limits(sizing->grant->fd, &limits) < 0 ||
		(sizing->width >= limits.min_width && sizing->width <= limits.max_width &&
			sizing->height >= limits.min_height &&
			sizing->height <= limits.max_height)) {
		return false;
	}
	say("%s supports sizes from %ux%u to %ux%u; choose a --size between these",
		sizing->grant->device, limits.min_width, limits.min_height, limits.max_width,
		limits.max_height);
	return true;
}

static const char *name_program(const struct sizing *sizing) {
	return sizing->program->name ? sizing->program->name : sizing->command->words[0];
}

/* Whether there is a way to tell the program; says what to do if there is none. */
static bool can_be_told(const struct sizing *sizing) {
	const struct program *program = sizing->program;
	unsigned head = sizing->grant->index;
	if (program->sizing == SIZING_NONE) {
		say("The size of %s cannot be set; set the size of head %u on the host",
			name_program(sizing), head);
		return false;
	}
	if (sizing->program_index < 0 && program->sizing != SIZING_MUTTER) {
		say("The size of %s cannot be set within a script; put it right after '--', "
		    "or set the size of head %u on the host",
			program->name, head);
		return false;
	}
	return true;
}

int sizing_apply(const struct sizing *sizing) {
	double refresh = 0;
	char list[512] = "";

	if (!can_be_told(sizing)) {
		return 0;
	}
	int r = output_find_mode(sizing->grant->fd, sizing->grant->connector, sizing->width,
		sizing->height, &refresh, list, sizeof(list));
	if (r < 0 && r != -ENOENT) {
		say("Cannot read the modes of %s: %s", output_name(sizing->grant->id),
			strerror(-r));
		return r;
	}
	if (r == -ENOENT && is_beyond_card(sizing)) {
		return -ERANGE;
	}
	if (r == -ENOENT && sizing->program->sizing == SIZING_MUTTER) {
		say("%s accepts only sizes that %s has; choose a --size of these: %s",
			name_program(sizing), output_name(sizing->grant->id), list);
		return r;
	}
	r = apply(sizing, refresh);
	if (r < 0) {
		say("Cannot write the configuration for the size: %s", strerror(-r));
	}
	return r;
}
