#include "grant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

int wish_append(const struct wish *wish, sd_bus_message *message) {
	int r = sd_bus_message_open_container(message, 'a', "{sv}");
	if (r >= 0 && wish->scanout) {
		r = sd_bus_message_append(message, "{sv}", "scanout", "s", wish->scanout);
	}
	if (r >= 0 && wish->device) {
		r = sd_bus_message_append(message, "{sv}", "device", "s", wish->device);
	}
	if (r >= 0 && wish->for_fd >= 0) {
		r = sd_bus_message_append(message, "{sv}", "for", "h", wish->for_fd);
	}
	if (r >= 0 && wish->label) {
		r = sd_bus_message_append(message, "{sv}", "label", "s", wish->label);
	}
	if (r >= 0 && wish->width) {
		r = sd_bus_message_append(message, "{sv}{sv}", "width", "u", (uint32_t)wish->width,
			"height", "u", (uint32_t)wish->height);
	}
	if (r >= 0 && wish->spare) {
		r = sd_bus_message_append(message, "{sv}", "spare", "b", 1);
	}
	if (r >= 0 && wish->timeout_usec > 0) {
		r = sd_bus_message_append(message, "{sv}", "timeout", "t", wish->timeout_usec);
	}
	if (r >= 0 && wish->linger_usec > 0) {
		r = sd_bus_message_append(message, "{sv}", "linger", "t", wish->linger_usec);
	}
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int read_text(sd_bus_message *message, char *text, size_t size) {
	const char *value;
	int r = sd_bus_message_read(message, "v", "s", &value);
	if (r >= 0) {
		snprintf(text, size, "%s", value);
	}
	return r;
}

static int read_fd(sd_bus_message *message, int *ret) {
	int fd;
	int r = sd_bus_message_read(message, "v", "h", &fd);
	if (r < 0) {
		return r;
	}
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? -errno : 0;
}

static int read_info_entry(sd_bus_message *message, struct grant *grant) {
	const char *name;
	uint32_t refresh;
	int r = sd_bus_message_read(message, "s", &name);
	if (r < 0) {
		return r;
	}
	if (strcmp(name, "id") == 0) {
		return read_text(message, grant->id, sizeof(grant->id));
	} else if (strcmp(name, "device") == 0) {
		return read_text(message, grant->device, sizeof(grant->device));
	} else if (strcmp(name, "index") == 0) {
		return sd_bus_message_read(message, "v", "u", &grant->index);
	} else if (strcmp(name, "connector") == 0) {
		return sd_bus_message_read(message, "v", "u", &grant->connector);
	} else if (strcmp(name, "generation") == 0) {
		return sd_bus_message_read(message, "v", "t", &grant->generation);
	} else if (strcmp(name, "devnum") == 0) {
		return sd_bus_message_read(message, "v", "(uu)", &grant->major, &grant->minor);
	} else if (strcmp(name, "mode") == 0) {
		return sd_bus_message_read(
			message, "v", "(uuu)", &grant->width, &grant->height, &refresh);
	} else if (strcmp(name, "spare_fd") == 0 && grant->spare_fd < 0) {
		return read_fd(message, &grant->spare_fd);
	}
	return sd_bus_message_skip(message, "v");
}

/* Reads "hoa{sv}" into a grant that is empty but for its descriptors, -1. */
static int read_grant(sd_bus_message *message, struct grant *grant) {
	int fd;
	const char *path;
	int r = sd_bus_message_read(message, "ho", &fd, &path);
	if (r < 0) {
		return r;
	}
	grant->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	grant->path = strdup(path);
	if (grant->fd < 0 || !grant->path) {
		return grant->fd < 0 ? -errno : -ENOMEM;
	}
	r = sd_bus_message_enter_container(message, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		r = read_info_entry(message, grant);
		if (r >= 0) {
			r = sd_bus_message_exit_container(message);
		}
	}
	if (r < 0) {
		return r;
	}
	return grant->id[0] == '\0' || grant->device[0] != '/' || grant->generation == 0 ? -EBADMSG
											 : 0;
}

int grant_read(struct grant *ret, sd_bus_message *message) {
	struct grant grant = {.fd = -1, .spare_fd = -1};
	int r = read_grant(message, &grant);
	if (r < 0) {
		grant_finish(&grant);
		return r;
	}
	*ret = grant;
	return 0;
}

void grant_finish(struct grant *grant) {
	cleanup_close(&grant->fd);
	cleanup_close(&grant->spare_fd);
	free(grant->path);
	*grant = (struct grant){.fd = -1, .spare_fd = -1};
}
