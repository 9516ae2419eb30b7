#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "scanout/dbus_names.h"

int lease_new_request(sd_bus *bus, const struct lease_wish *wish, sd_bus_message **ret) {
	AUTO_MESSAGE sd_bus_message *call = NULL;
	int r;

	r = sd_bus_message_new_method_call(bus, &call, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, "RequestScanout");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_open_container(call, 'a', "{sv}");
	if (r >= 0 && wish->scanout != NULL) {
		r = sd_bus_message_append(call, "{sv}", "scanout", "s", wish->scanout);
	}
	if (r >= 0 && wish->label != NULL) {
		r = sd_bus_message_append(call, "{sv}", "label", "s", wish->label);
	}
	if (r >= 0 && wish->takeover) {
		r = sd_bus_message_append(call, "{sv}", "takeover", "b", 1);
	}
	if (r >= 0 && wish->timeout_usec != 0) {
		r = sd_bus_message_append(call, "{sv}", "timeout", "t", wish->timeout_usec);
	}
	if (r >= 0) {
		r = sd_bus_message_close_container(call);
	}
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(call);
	return 0;
}

static int read_entry(sd_bus_message *reply, struct lease *lease) {
	const char *key, *id;
	int r;

	r = sd_bus_message_read(reply, "s", &key);
	if (r < 0) {
		return r;
	}
	if (strcmp(key, "id") == 0) {
		r = sd_bus_message_read(reply, "v", "s", &id);
		if (r >= 0) {
			snprintf(lease->id, sizeof(lease->id), "%s", id);
		}
	} else if (strcmp(key, "index") == 0) {
		r = sd_bus_message_read(reply, "v", "u", &lease->index);
	} else if (strcmp(key, "lessee") == 0) {
		r = sd_bus_message_read(reply, "v", "u", &lease->lessee);
	} else if (strcmp(key, "generation") == 0) {
		r = sd_bus_message_read(reply, "v", "t", &lease->generation);
	} else {
		r = sd_bus_message_skip(reply, "v");
	}
	return r;
}

static int read_reply(sd_bus_message *reply, struct lease *ret) {
	struct lease lease = {.fd = -1};
	int fd, r; // fd is the message's

	r = sd_bus_message_read(reply, "ho", &fd, NULL);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		r = read_entry(reply, &lease);
		if (r >= 0) {
			r = sd_bus_message_exit_container(reply);
		}
	}
	if (r < 0) {
		return r;
	}
	lease.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (lease.fd < 0) {
		return -errno;
	}
	*ret = lease;
	return 0;
}

int lease_request(
	sd_bus *bus, const struct lease_wish *wish, sd_bus_error *ret_error, struct lease *ret) {
	AUTO_MESSAGE sd_bus_message *call = NULL, *reply = NULL;
	int r;

	r = lease_new_request(bus, wish, &call);
	if (r < 0) {
		return sd_bus_error_set_errno(ret_error, r);
	}
	/* However long it takes: who waits for the program sees that it stands still. */
	r = sd_bus_call(bus, call, UINT64_MAX, ret_error, &reply);
	if (r < 0) {
		return r;
	}
	r = read_reply(reply, ret);
	return r < 0 ? sd_bus_error_set_errno(ret_error, r) : 0;
}

bool lease_is_inherited(void) {
	return getenv(LEASE_FD_VARIABLE) != NULL;
}

int lease_inherit(struct lease *ret) {
	const char *text = getenv(LEASE_FD_VARIABLE);
	char *end;
	long fd;

	if (text == NULL) {
		return -ENOENT;
	}
	errno = 0;
	fd = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || fd < 0 || fd > INT32_MAX) {
		return -EINVAL;
	}
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) {
		return -errno;
	}
	*ret = (struct lease){.fd = (int)fd};
	return 0;
}

int lease_ask(const struct lease_wish *wish, sd_bus_error *ret_error, struct lease *ret) {
	AUTO_BUS sd_bus *bus = NULL;
	int r;

	r = sd_bus_open_system(&bus);
	if (r < 0) {
		return sd_bus_error_set_errnof(
			ret_error, r, "cannot connect to the system bus: %s", strerror(-r));
	}
	return lease_request(bus, wish, ret_error, ret);
}

void lease_name(struct lease *lease, const char *connector, uint32_t index) {
	struct stat st;

	if (lease->id[0] == '\0' && fstat(lease->fd, &st) == 0) {
		snprintf(lease->id, sizeof(lease->id), "card%u-%s", minor(st.st_rdev), connector);
		lease->index = index;
	}
}
