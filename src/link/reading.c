#include "link/reading.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int read_text(sd_bus_message *message, char *ret, size_t size) {
	const char *text;
	int r = sd_bus_message_read(message, "v", "s", &text);
	if (r >= 0) {
		snprintf(ret, size, "%s", text);
	}
	return r;
}

static int read_side(sd_bus_message *message, unsigned *ret) {
	int r = sd_bus_message_read(message, "v", "u", ret);
	*ret = *ret > MESSAGE_MAX_SIDE ? 0 : *ret;
	return r;
}

static int read_state(sd_bus_message *message, struct reading *reading) {
	char state[16] = "";
	int r = read_text(message, state, sizeof(state));
	reading->has_state = r >= 0;
	reading->is_leased = strcmp(state, "leased") == 0;
	return r;
}

/* Engines may call containers as they like. */
static void clean(char *text) {
	for (; *text; text++) {
		*text = *text < ' ' || *text > '~' ? '?' : *text;
	}
}

static int read_label(sd_bus_message *message, char *ret, size_t size) {
	int r = read_text(message, ret, size);
	if (r >= 0 && !message_label_is_right(ret)) {
		*ret = '\0';
	}
	return r;
}

static int read_holder(sd_bus_message *message, struct tenant *tenant) {
	const char *name;
	int r = sd_bus_message_enter_container(message, 'v', "a{sv}");
	r = r < 0 ? r : sd_bus_message_enter_container(message, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		r = sd_bus_message_read(message, "s", &name);
		if (r >= 0 && strcmp(name, "container") == 0) {
			r = read_text(message, tenant->container, sizeof(tenant->container));
			clean(tenant->container);
		} else if (r >= 0) {
			r = sd_bus_message_skip(message, "v");
		}
		r = r < 0 ? r : sd_bus_message_exit_container(message);
	}
	r = r < 0 ? r : sd_bus_message_exit_container(message);
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_property(sd_bus_message *message, const char *name, struct reading *reading) {
	struct tenant *tenant = &reading->tenant;
	if (strcmp(name, "State") == 0) {
		return read_state(message, reading);
	}
	if (strcmp(name, "Generation") == 0) {
		return sd_bus_message_read(message, "v", "t", &reading->generation);
	}
	if (strcmp(name, "Device") == 0) {
		return read_text(message, reading->card, sizeof(reading->card));
	}
	if (strcmp(name, "Index") == 0) {
		return sd_bus_message_read(message, "v", "u", &tenant->head);
	}
	if (strcmp(name, "Label") == 0) {
		return read_label(message, tenant->label, sizeof(tenant->label));
	}
	if (strcmp(name, "Holder") == 0) {
		return read_holder(message, tenant);
	}
	if (strcmp(name, "PreferredWidth") == 0) {
		return read_side(message, &tenant->width);
	}
	if (strcmp(name, "PreferredHeight") == 0) {
		return read_side(message, &tenant->height);
	}
	return sd_bus_message_skip(message, "v");
}

int reading_read(sd_bus_message *message, struct reading *ret) {
	const char *name;
	*ret = (struct reading){0};
	int r = sd_bus_message_enter_container(message, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		r = sd_bus_message_read(message, "s", &name);
		r = r < 0 ? r : read_property(message, name, ret);
		r = r < 0 ? r : sd_bus_message_exit_container(message);
	}
	return r < 0 ? r : sd_bus_message_exit_container(message);
}
