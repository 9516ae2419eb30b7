#include "daemon/bus/bus_sender.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* On a busy machine the bus may take seconds. Less than the 25 s after which callers give up by
 * themselves: they should hear why. */
#define CREDENTIALS_TIMEOUT_USEC 20000000

static int read_groups(sd_bus_message *reply, struct identity *identity) {
	const void *groups;
	size_t size;
	int r = sd_bus_message_enter_container(reply, 'v', "au");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_read_array(reply, 'u', &groups, &size);
	if (r < 0) {
		return r;
	}
	identity->n_groups = size / sizeof(uint32_t);
	if (identity->n_groups > IDENTITY_MAX_GROUPS) {
		identity->n_groups = IDENTITY_MAX_GROUPS;
	}
	memcpy(identity->groups, groups, identity->n_groups * sizeof(uint32_t));
	return sd_bus_message_exit_container(reply);
}

static int read_credentials(sd_bus_message *reply, struct identity *identity) {
	bool has_uid = false, has_pid = false;
	int r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	if (r < 0) {
		return r;
	}
	while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		const char *key;
		uint32_t value;
		r = sd_bus_message_read(reply, "s", &key);
		if (r < 0) {
			return r;
		}
		if (strcmp(key, "UnixUserID") == 0) {
			r = sd_bus_message_read(reply, "v", "u", &value);
			identity->uid = value;
			has_uid = true;
		} else if (strcmp(key, "ProcessID") == 0) {
			r = sd_bus_message_read(reply, "v", "u", &value);
			identity->pid = (pid_t)value;
			has_pid = true;
		} else if (strcmp(key, "UnixGroupIDs") == 0) {
			r = read_groups(reply, identity);
		} else {
			r = sd_bus_message_skip(reply, "v");
		}
		if (r < 0) {
			return r;
		}
		r = sd_bus_message_exit_container(reply);
		if (r < 0) {
			return r;
		}
	}
	if (r < 0) {
		return r;
	}
	return has_uid && has_pid ? 0 : -ENODATA;
}

/* dbus-daemon 1.16 sends a pidfd along. Without room for that, sd-bus would drop the connection
 * (-ECHRNG, systemd 257). */
static int check_room(sd_bus *bus) {
	int fd = fcntl(sd_bus_get_fd(bus), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0) {
		return -errno;
	}
	close(fd);
	return 0;
}

int bus_sender_identify(sd_bus_message *message, struct identity *ret) {
	AUTO_MESSAGE sd_bus_message *call = NULL, *reply = NULL;
	struct identity identity = {.uid = (uid_t)-1};
	sd_bus *bus = sd_bus_message_get_bus(message);
	const char *sender = sd_bus_message_get_sender(message);
	if (!sender) {
		return -ENODATA;
	}

	/* One call of our own instead of sd_bus_query_sender_creds(), which makes up to four. */
	int r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.DBus",
		"/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionCredentials");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_append(call, "s", sender);
	if (r < 0) {
		return r;
	}
	r = check_room(bus);
	if (r < 0) {
		return r;
	}
	r = sd_bus_call(bus, call, CREDENTIALS_TIMEOUT_USEC, NULL, &reply);
	if (r < 0) {
		return r;
	}
	r = read_credentials(reply, &identity);
	if (r < 0) {
		return r;
	}
	reply = sd_bus_message_unref(reply); // and its pidfd: there may be few more
	r = identity_find_container(&identity);
	if (r < 0) {
		return r;
	}
	*ret = identity;
	return 0;
}
