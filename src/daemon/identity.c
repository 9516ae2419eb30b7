#include "identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/container.h"

/* A dead dbus-daemon must not hold the event loop for sd-bus's default of 25 s. */
#define CREDENTIALS_TIMEOUT_USEC 2000000

bool identity_in_container(const struct identity *identity) {
	return identity->container[0] != '\0';
}

bool identity_same_holder(const struct identity *a, const struct identity *b) {
	return a->uid == b->uid && strcmp(a->container, b->container) == 0 &&
	       strcmp(a->engine, b->engine) == 0;
}

bool identity_acts_for(const struct identity *identity, const struct identity *holder) {
	return identity_same_holder(identity, holder) ||
	       (identity->agent && holder->served && holder->agent_uid == identity->uid);
}

bool identity_same_quota(const struct identity *a, const struct identity *b) {
	if (identity_in_container(a) || identity_in_container(b)) {
		return strcmp(a->container, b->container) == 0 && strcmp(a->engine, b->engine) == 0;
	}
	return a->uid == b->uid;
}

const char *identity_describe(const struct identity *identity, char *buffer, size_t size) {
	if (identity_in_container(identity)) {
		snprintf(buffer, size, "%s container %.12s, uid %d, pid %d", identity->engine,
			identity->container, (int)identity->uid, (int)identity->pid);
	} else {
		snprintf(buffer, size, "uid %d, pid %d", (int)identity->uid, (int)identity->pid);
	}
	return buffer;
}

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

static void enter_container(struct identity *identity, const struct container *container) {
	_Static_assert(sizeof(identity->engine) == sizeof(container->engine) &&
			       sizeof(identity->container) == sizeof(container->id) &&
			       sizeof(identity->unit) == sizeof(container->unit),
		"What is copied fits");
	strcpy(identity->engine, container->engine);
	strcpy(identity->container, container->id);
	strcpy(identity->unit, container->unit);
}

int identity_of_sender(sd_bus_message *message, struct identity *ret) {
	AUTO_MESSAGE sd_bus_message *call = NULL, *reply = NULL;
	struct identity identity = {.uid = (uid_t)-1};
	struct container container;
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
	r = sd_bus_call(bus, call, CREDENTIALS_TIMEOUT_USEC, NULL, &reply);
	if (r < 0) {
		return r;
	}
	r = read_credentials(reply, &identity);
	if (r < 0) {
		return r;
	}
	r = container_of_process(identity.pid, &container);
	if (r < 0) {
		return r;
	}
	enter_container(&identity, &container);
	*ret = identity;
	return 0;
}

int identity_of_socket(int fd, struct identity *ret) {
	struct identity identity = {.guest = true};
	struct container container;
	struct ucred peer;
	int r = container_of_peer(fd, &peer, &container);
	if (r < 0) {
		return r;
	}
	identity.uid = peer.uid;
	identity.pid = peer.pid;
	enter_container(&identity, &container);
	*ret = identity;
	return 0;
}

int identity_of_served(int fd, const struct identity *agent, struct identity *ret) {
	struct identity identity;
	int r = identity_of_socket(fd, &identity);
	if (r < 0) {
		return r;
	}
	identity.served = true;
	identity.agent_uid = agent->uid;
	strcpy(identity.unit, agent->unit);
	*ret = identity;
	return 0;
}
