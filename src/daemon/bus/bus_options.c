#include "daemon/bus/bus_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

static void refuse(struct refusal *refusal, const char *message) {
	refusal_set(refusal, REFUSAL_INVALID_OPTION, "%s", message);
}

static bool copy_name(char *target, size_t size, const char *value) {
	size_t length = strlen(value);
	if (length == 0 || length >= size || strspn(value, NAME_CHARACTERS) != length) {
		return false;
	}
	memcpy(target, value, length + 1);
	return true;
}

static int read_scanout(sd_bus_message *m, struct wish *wish, struct refusal *refusal) {
	const char *value;
	int r = sd_bus_message_read(m, "s", &value);
	if (r < 0) {
		return r;
	}
	if (!copy_name(wish->scanout, sizeof(wish->scanout), value)) {
		refusal_set(refusal, REFUSAL_NO_SUCH,
			"There is no such scanout: an id looks like card0-Virtual-3, not like a path. "
			"'scanoutctl list' shows the ids.");
	}
	return 0;
}

static int read_device(sd_bus_message *m, struct wish *wish, struct refusal *refusal) {
	const char *value;
	int r = sd_bus_message_read(m, "s", &value);
	if (r < 0) {
		return r;
	}
	if (value[0] != '/' || strlen(value) >= sizeof(wish->device)) {
		refuse(refusal, "'device' is the path of a card, such as /dev/dri/card0.");
		return 0;
	}
	strcpy(wish->device, value);
	return 0;
}

static int read_served(sd_bus_message *m, struct wish *wish, struct refusal *refusal) {
	wish->serves = true;
	return sd_bus_message_read(m, "h", &wish->served_fd);
}

static int read_label(sd_bus_message *m, struct wish *wish, struct refusal *refusal) {
	const char *value;
	int r = sd_bus_message_read(m, "s", &value);
	if (r < 0) {
		return r;
	}
	if (!copy_name(wish->label, sizeof(wish->label), value)) {
		refuse(refusal, "'label' must be 1 to 64 characters of A-Z a-z 0-9 . _ : -");
	}
	return 0;
}

static int read_timeout(sd_bus_message *m, struct wish *wish, struct refusal *refusal) {
	int r = sd_bus_message_read(m, "t", &wish->timeout_usec);
	if (r < 0) {
		return r;
	}
	if (wish->timeout_usec > WISH_TIMEOUT_MAX_USEC) {
		refuse(refusal,
			"'timeout' is in microseconds and at most a day, 86400000000. Leave it out, or "
			"give 0, not to wait.");
	}
	return 0;
}

static int read_bool(sd_bus_message *m, bool *ret) {
	int value; // sd-bus writes a 'b' into an int
	int r = sd_bus_message_read(m, "b", &value);
	if (r >= 0) {
		*ret = value;
	}
	return r;
}

static int read_takeover(sd_bus_message *m, struct wish *wish, struct refusal *refusal) {
	return read_bool(m, &wish->takeover);
}

static int read_spare(sd_bus_message *m, struct wish *wish, struct refusal *refusal) {
	return read_bool(m, &wish->spare);
}

/* How long it may be is the configuration's: policy.c. */
static int read_linger(sd_bus_message *m, struct wish *wish, struct refusal *refusal) {
	return sd_bus_message_read(m, "t", &wish->linger_usec);
}

static const struct {
	const char *name, *type;
	int (*read)(sd_bus_message *m, struct wish *wish, struct refusal *refusal); // NULL: later
} options[] = {
	{"scanout", "s", read_scanout},
	{"device", "s", read_device},
	{"for", "h", read_served},
	{"label", "s", read_label},
	{"timeout", "t", read_timeout},
	{"spare", "b", read_spare},
	{"width", "u", NULL},
	{"height", "u", NULL},
	{"refresh", "u", NULL},
	{"takeover", "b", read_takeover},
	{"linger", "t", read_linger},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static int read_option(sd_bus_message *m, size_t i, struct wish *wish, struct refusal *refusal) {
	const char *type;
	int r = sd_bus_message_peek_type(m, NULL, &type);
	if (r < 0) {
		return r;
	}
	if (strcmp(type, options[i].type) != 0) {
		refusal_set(refusal, REFUSAL_INVALID_OPTION,
			"'%s' must be of D-Bus type '%s', not '%.16s'", options[i].name,
			options[i].type, type);
		return sd_bus_message_skip(m, "v");
	}
	if (!options[i].read) {
		refusal_set(refusal, REFUSAL_INVALID_OPTION,
			"'%s' is not supported yet. Leave it out.", options[i].name);
		return sd_bus_message_skip(m, "v");
	}
	r = sd_bus_message_enter_container(m, 'v', type);
	if (r < 0) {
		return r;
	}
	r = options[i].read(m, wish, refusal);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static size_t find_option(const char *name) {
	size_t i = 0;
	while (i < N_OPTIONS && strcmp(options[i].name, name) != 0) {
		i++;
	}
	return i;
}

static void refuse_unknown(struct refusal *refusal, const char *name) {
	char known[200] = "";
	for (size_t i = 0; i < N_OPTIONS; i++) {
		size_t n = strlen(known);
		snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", options[i].name);
	}
	refusal_set(refusal, REFUSAL_INVALID_OPTION, "There is no option '%.32s'; there are %s.",
		name, known);
}

int bus_options_read(sd_bus_message *m, struct wish *ret, struct refusal *refusal) {
	struct wish wish = {0};
	unsigned seen = 0;
	refusal->code = REFUSAL_NONE;

	int r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r < 0) {
		return r;
	}
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const char *name;
		r = sd_bus_message_read(m, "s", &name);
		if (r < 0) {
			return r;
		}
		size_t i = find_option(name);
		if (i == N_OPTIONS) {
			refuse_unknown(refusal, name);
		} else if (seen & 1u << i) {
			refusal_set(refusal, REFUSAL_INVALID_OPTION, "'%s' is given twice", name);
		} else {
			seen |= 1u << i;
			r = read_option(m, i, &wish, refusal);
			if (r < 0) {
				return r;
			}
		}
		if (refusal->code != REFUSAL_NONE) {
			return 0; // the first mistake is the one to tell
		}
		r = sd_bus_message_exit_container(m);
		if (r < 0) {
			return r;
		}
	}
	if (r < 0) {
		return r;
	}
	if (wish.takeover && wish.label[0] == '\0') {
		refuse(refusal, "'takeover' is of a lease with a label: give that as 'label'.");
		return 0;
	}
	*ret = wish;
	return sd_bus_message_exit_container(m);
}
