#include "lib/request_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

static int append_text(sd_bus_message *message, const char *name, const char *value) {
	return value ? sd_bus_message_append(message, "{sv}", name, "s", value) : 0;
}

static int append_number(sd_bus_message *message, const char *name, uint32_t value) {
	return value ? sd_bus_message_append(message, "{sv}", name, "u", value) : 0;
}

static int append_time(sd_bus_message *message, const char *name, uint64_t usec) {
	return usec ? sd_bus_message_append(message, "{sv}", name, "t", usec) : 0;
}

static int append_flag(sd_bus_message *message, const char *name, bool value) {
	return value ? sd_bus_message_append(message, "{sv}", name, "b", 1) : 0;
}

static int append_fd(sd_bus_message *message, const char *name, int fd) {
	return fd >= 0 ? sd_bus_message_append(message, "{sv}", name, "h", fd) : 0;
}

int scanout_request_append(const struct scanout_request *request, sd_bus_message *message) {
	int r = sd_bus_message_open_container(message, 'a', "{sv}");
	if (r < 0 || (r = append_text(message, "scanout", request->scanout)) < 0 ||
		(r = append_text(message, "device", request->device)) < 0 ||
		(r = append_fd(message, "for", request->for_fd)) < 0 ||
		(r = append_text(message, "label", request->label)) < 0 ||
		(r = append_number(message, "width", request->width)) < 0 ||
		(r = append_number(message, "height", request->height)) < 0 ||
		(r = append_number(message, "refresh", request->refresh)) < 0 ||
		(r = append_flag(message, "spare", request->spare)) < 0 ||
		(r = append_flag(message, "takeover", request->takeover)) < 0 ||
		(r = append_time(message, "timeout", request->timeout_usec)) < 0 ||
		(r = append_time(message, "linger", request->linger_usec)) < 0) {
		return r;
	}
	return sd_bus_message_close_container(message);
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

static int read_info_entry(sd_bus_message *message, struct scanout_grant *grant) {
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
static int read_grant(sd_bus_message *message, struct scanout_grant *grant) {
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
	bool is_whole = grant->id[0] != '\0' && grant->device[0] == '/' && grant->generation != 0 &&
			grant->index != UINT32_MAX;
	return is_whole ? 0 : -EBADMSG;
}

int scanout_grant_read(struct scanout_grant *ret, sd_bus_message *message) {
	struct scanout_grant grant = {.fd = -1, .spare_fd = -1, .index = UINT32_MAX};
	int r = read_grant(message, &grant);
	if (r < 0) {
		scanout_grant_finish(&grant);
		return r;
	}
	*ret = grant;
	return 0;
}

void scanout_grant_finish(struct scanout_grant *grant) {
	cleanup_close(&grant->fd);
	cleanup_close(&grant->spare_fd);
	free(grant->path);
	*grant = (struct scanout_grant){.fd = -1, .spare_fd = -1};
}
