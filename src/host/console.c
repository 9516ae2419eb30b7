#include "host/console.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/number.h"

#define MAX_HEAD 1023

static void destroy(struct console *console) {
	if (console) {
		free(console->device);
		free(console);
	}
}

static void cleanup_console(struct console **console) {
	destroy(*console);
}

static int read_text(sd_bus_message *message, char **ret) {
	const char *text;
	int r = sd_bus_message_read(message, "v", "s", &text);
	if (r < 0) {
		return r;
	}
	free(*ret);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int read_property(sd_bus_message *message, const char *name, struct console *console) {
	AUTO_FREE char *type = NULL;
	int r;
	if (strcmp(name, "DeviceAddress") == 0) {
		return read_text(message, &console->device);
	}
	if (strcmp(name, "Type") == 0) {
		r = read_text(message, &type);
		console->is_graphic = r == 0 && strcmp(type, "Graphic") == 0;
		return r;
	}
	unsigned *number = strcmp(name, "Head") == 0     ? &console->head
			   : strcmp(name, "Width") == 0  ? &console->width
			   : strcmp(name, "Height") == 0 ? &console->height
							 : NULL;
	return number ? sd_bus_message_read(message, "v", "u", number)
		      : sd_bus_message_skip(message, "v");
}

static int read_properties(sd_bus_message *reply, struct console *console) {
	const char *name;
	int r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		r = sd_bus_message_read(reply, "s", &name);
		if (r >= 0) {
			r = read_property(reply, name, console);
		}
		if (r >= 0) {
			r = sd_bus_message_exit_container(reply);
		}
	}
	return r;
}

int console_read(sd_bus_message *reply, unsigned id, struct console **ret) {
	CLEANUP(cleanup_console) struct console *console = calloc(1, sizeof(*console));
	if (!console) {
		return -ENOMEM;
	}
	console->id = id;
	int r = read_properties(reply, console);
	if (r < 0) {
		return r == -ENOMEM ? r : -EBADMSG;
	}
	if (!console->device) {
		console->device = strdup("");
	}
	if (!console->device) {
		return -ENOMEM;
	}
	if (console->head > MAX_HEAD) {
		return -EBADMSG;
	}
	*ret = TAKE_PTR(console);
	return 0;
}

static int compare(const struct console *a, const struct console *b) {
	int r = strcmp(a->device, b->device);
	return r != 0 ? r : (int)a->head - (int)b->head;
}

void console_insert(struct console_list *list, struct console *console) {
	struct console *next;
	TAILQ_FOREACH (next, list, link) {
		if (compare(console, next) < 0) {
			TAILQ_INSERT_BEFORE(next, console, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(list, console, link);
}

void console_remove(struct console_list *list, struct console *console) {
	TAILQ_REMOVE(list, console, link);
	destroy(console);
}

void console_list_clear(struct console_list *list) {
	while (!TAILQ_EMPTY(list)) {
		console_remove(list, TAILQ_FIRST(list));
	}
}

static bool has_one_device(const struct console_list *list) {
	const struct console *first = TAILQ_FIRST(list), *last = TAILQ_LAST(list, console_list);
	return !first || strcmp(first->device, last->device) == 0;
}

int console_name(const struct console_list *list, const struct console *console, char **ret) {
	bool is_short = has_one_device(list);
	const char *slash = strrchr(console->device, '/');
	const char *device = slash ? slash + 1 : console->device;
	if (asprintf(ret, "%s%s%u", is_short ? "" : device, is_short ? "" : "/", console->head) <
		0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Whether `name`, of this length, is the device's address or its last part. */
static bool is_device(const struct console *console, const char *name, size_t length) {
	size_t all = strlen(console->device);
	const char *end = console->device + all - (length < all ? length : all);
	return length <= all && strncmp(end, name, length) == 0 &&
	       (length == all || end[-1] == '/');
}

int console_find(const struct console_list *list, const char *name, struct console **ret) {
	const char *slash = strrchr(name, '/');
	const char *digits = slash ? slash + 1 : name;
	struct console *found = NULL, *console;
	unsigned head;
	if (!number_take(&digits, MAX_HEAD, &head) || *digits != '\0' || slash == name) {
		return -EINVAL;
	}
	TAILQ_FOREACH (console, list, link) {
		if (console->head == head &&
			(!slash || is_device(console, name, (size_t)(slash - name)))) {
			if (found) {
				return -ENOTUNIQ;
			}
			found = console;
		}
	}
	if (!found) {
		return -ENXIO;
	}
	*ret = found;
	return 0;
}

const char *console_explain(int r, const char *vm, const char *name, char **ret_text) {
	int n = r == -ENOTUNIQ
			? asprintf(ret_text,
				  "Several GPUs of '%s' have a head %s. Name the device as well, see "
				  "'scanout-host list'",
				  vm, name)
			: asprintf(ret_text, "'%s' has no scanout '%s'. Type: scanout-host list",
				  vm, name);
	if (n < 0) {
		*ret_text = NULL;
	}
	return r == -ENOTUNIQ ? "AmbiguousScanout" : "NoSuchScanout";
}
