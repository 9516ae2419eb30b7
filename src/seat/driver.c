#include "seat/driver.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "seat/bridge.h"

/* Return values of RequestName, ReleaseName and StartServiceByName, from the D-Bus spec. */
#define START_REPLY_ALREADY_RUNNING 2
#define RELEASE_NAME_NON_EXISTENT 2

/* The unique name of a name's owner, or NULL. A client sees only itself. */
static const char *name_owner(const struct bus_client *client, const char *name) {
	if (strcmp(name, BUS_DRIVER_NAME) == 0) {
		return BUS_DRIVER_NAME;
	}
	if (strcmp(name, client->bus->service->name) == 0 ||
		strcmp(name, BUS_SERVICE_UNIQUE) == 0) {
		return BUS_SERVICE_UNIQUE;
	}
	return client->said_hello && strcmp(name, client->unique) == 0 ? client->unique : NULL;
}

/* 1, also for a caller that wants no reply: sd-bus says 0 there, which would mean "go on". */
static int refuse(sd_bus_message *message, const char *error, const char *what, const char *name) {
	int r = sd_bus_reply_method_errorf(message, error, "%s: '%s'", what, name);
	return r < 0 ? r : 1;
}

static int refuse_no_owner(sd_bus_message *message, const char *name) {
	return refuse(message, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "Not on this bus", name);
}

static int refuse_no_service(sd_bus_message *message, const char *name) {
	return refuse(message, SD_BUS_ERROR_SERVICE_UNKNOWN, "This bus has no such service", name);
}

static int method_hello(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct bus_client *client = data;
	if (client->said_hello) {
		return sd_bus_reply_method_errorf(
			message, SD_BUS_ERROR_FAILED, "Already handled a Hello message");
	}
	client->said_hello = true;
	return client->bridge ? bridge_hello(client->bridge, message)
			      : bus_client_answer_hello(client, message);
}

/* Every client gets every signal of the one service, which is what it asks for anyway. */
static int method_match(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, NULL);
}

static int method_get_name_owner(sd_bus_message *message, void *data, sd_bus_error *error) {
	const char *name;
	int r = sd_bus_message_read(message, "s", &name);
	if (r < 0) {
		return r;
	}
	const char *owner = name_owner(data, name);
	return owner ? sd_bus_reply_method_return(message, "s", owner)
		     : refuse_no_owner(message, name);
}

static int method_name_has_owner(sd_bus_message *message, void *data, sd_bus_error *error) {
	const char *name;
	int r = sd_bus_message_read(message, "s", &name);
	return r < 0 ? r : sd_bus_reply_method_return(message, "b", name_owner(data, name) != NULL);
}

static int method_list_names(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct bus_client *client = data;
	return sd_bus_reply_method_return(message, "as", 4, BUS_DRIVER_NAME, BUS_SERVICE_UNIQUE,
		client->bus->service->name, client->unique);
}

static int method_list_activatable(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, "as", 1, BUS_DRIVER_NAME);
}

static int method_list_queued(sd_bus_message *message, void *data, sd_bus_error *error) {
	const char *name;
	int r = sd_bus_message_read(message, "s", &name);
	if (r < 0) {
		return r;
	}
	const char *owner = name_owner(data, name);
	return owner ? sd_bus_reply_method_return(message, "as", 1, owner)
		     : refuse_no_owner(message, name);
}

static int method_start_service(sd_bus_message *message, void *data, sd_bus_error *error) {
	const char *name;
	uint32_t flags;
	int r = sd_bus_message_read(message, "su", &name, &flags);
	if (r < 0) {
		return r;
	}
	if (name_owner(data, name)) {
		return sd_bus_reply_method_return(message, "u", START_REPLY_ALREADY_RUNNING);
	}
	return refuse_no_service(message, name);
}

static int method_request_name(sd_bus_message *message, void *data, sd_bus_error *error) {
	const char *name;
	uint32_t flags;
	int r = sd_bus_message_read(message, "su", &name, &flags);
	return r < 0 ? r
		     : refuse(message, SD_BUS_ERROR_ACCESS_DENIED,
			       "Clients of this bus own no names", name);
}

static int method_release_name(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, "u", RELEASE_NAME_NON_EXISTENT);
}

static int method_get_id(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct bus_client *client = data;
	char text[SD_ID128_STRING_MAX];
	sd_id128_t id;
	int r = sd_bus_get_bus_id(client->link, &id);
	return r < 0 ? r : sd_bus_reply_method_return(message, "s", sd_id128_to_string(id, text));
}

/* The service answers from this process, a client from its own. */
static int find_peer(struct bus_client *client, sd_bus_message *message, struct ucred *ret) {
	const char *name;
	int r = sd_bus_message_read(message, "s", &name);
	if (r < 0) {
		return r;
	}
	const char *owner = name_owner(client, name);
	if (!owner) {
		return refuse_no_owner(message, name);
	}
	*ret = (struct ucred){.pid = getpid(), .uid = geteuid(), .gid = getegid()};
	if (owner == client->unique) {
		socklen_t size = sizeof(*ret);
		r = getsockopt(sd_bus_get_fd(client->link), SOL_SOCKET, SO_PEERCRED, ret, &size);
		return r < 0 ? -errno : 0;
	}
	return 0;
}

static int method_get_user(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct ucred peer;
	int r = find_peer(data, message, &peer);
	return r != 0 ? r : sd_bus_reply_method_return(message, "u", (uint32_t)peer.uid);
}

static int method_get_pid(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct ucred peer;
	int r = find_peer(data, message, &peer);
	return r != 0 ? r : sd_bus_reply_method_return(message, "u", (uint32_t)peer.pid);
}

static int method_get_credentials(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct ucred peer;
	int r = find_peer(data, message, &peer);
	return r != 0 ? r
		      : sd_bus_reply_method_return(message, "a{sv}", 2, "UnixUserID", "u",
				(uint32_t)peer.uid, "ProcessID", "u", (uint32_t)peer.pid);
}

static int method_update_environment(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_errorf(
		message, SD_BUS_ERROR_ACCESS_DENIED, "This bus starts no programs");
}

static int property_get_strings(sd_bus *link, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "as", 0);
}

#define METHOD(name, in, out, handler) \
	SD_BUS_METHOD(name, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable driver_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Features", "as", property_get_strings, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Interfaces", "as", property_get_strings, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	METHOD("Hello", NULL, "s", method_hello),
	METHOD("AddMatch", "s", NULL, method_match),
	METHOD("RemoveMatch", "s", NULL, method_match),
	METHOD("GetNameOwner", "s", "s", method_get_name_owner),
	METHOD("NameHasOwner", "s", "b", method_name_has_owner),
	METHOD("ListNames", NULL, "as", method_list_names),
	METHOD("ListActivatableNames", NULL, "as", method_list_activatable),
	METHOD("ListQueuedOwners", "s", "as", method_list_queued),
	METHOD("StartServiceByName", "su", "u", method_start_service),
	METHOD("RequestName", "su", "u", method_request_name),
	METHOD("ReleaseName", "s", "u", method_release_name),
	METHOD("GetId", NULL, "s", method_get_id),
	METHOD("GetConnectionUnixUser", "s", "u", method_get_user),
	METHOD("GetConnectionUnixProcessID", "s", "u", method_get_pid),
	METHOD("GetConnectionCredentials", "s", "a{sv}", method_get_credentials),
	METHOD("UpdateActivationEnvironment", "a{ss}", NULL, method_update_environment),
	SD_BUS_SIGNAL("NameOwnerChanged", "sss", 0),
	SD_BUS_SIGNAL("NameAcquired", "s", 0),
	SD_BUS_SIGNAL("NameLost", "s", 0),
	SD_BUS_VTABLE_END,
};

int driver_attach(struct bus_client *client) {
	return sd_bus_add_object_vtable(
		client->link, NULL, BUS_DRIVER_PATH, BUS_DRIVER_NAME, driver_vtable, client);
}

/* What is asked about the service's name, it is not for another bus to answer. */
static bool asks_about_service(const struct bus_client *client, sd_bus_message *message) {
	static const char *const members[] = {"GetNameOwner", "NameHasOwner", "ListQueuedOwners",
		"StartServiceByName", "GetConnectionUnixUser", "GetConnectionUnixProcessID",
		"GetConnectionCredentials"};
	const char *name;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (sd_bus_message_is_method_call(message, BUS_DRIVER_NAME, members[i]) <= 0) {
			continue;
		}
		bool is_own = sd_bus_message_read(message, "s", &name) > 0 &&
			      (strcmp(name, client->bus->service->name) == 0 ||
				      strcmp(name, BUS_SERVICE_UNIQUE) == 0);
		(void)sd_bus_message_rewind(message, 1);
		return is_own;
	}
	return false;
}

/* Whether this message, of a client with a bus behind it, is not for that. */
static bool is_for_service(const struct bus_client *client, sd_bus_message *message) {
	const char *destination = sd_bus_message_get_destination(message);
	if (sd_bus_message_is_method_call(message, NULL, NULL) <= 0) {
		return false;
	}
	if (!destination || strcmp(destination, BUS_DRIVER_NAME) == 0) {
		return sd_bus_message_is_method_call(message, BUS_DRIVER_NAME, "Hello") > 0 ||
		       asks_about_service(client, message);
	}
	return strcmp(destination, client->bus->service->name) == 0 ||
	       strcmp(destination, BUS_SERVICE_UNIQUE) == 0;
}

/* As dbus-daemon has it: no destination means the bus itself. */
int driver_route(struct bus_client *client, sd_bus_message *message) {
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", NULL) > 0) {
		return 0;
	}
	if (client->bridge && client->said_hello && !is_for_service(client, message)) {
		return bridge_forward(client->bridge, message);
	}
	if (!sd_bus_message_is_method_call(message, NULL, NULL)) {
		return 1; /* there is nobody here to get signals or replies from a client */
	}
	if (!client->said_hello &&
		!sd_bus_message_is_method_call(message, BUS_DRIVER_NAME, "Hello")) {
		return refuse(message, SD_BUS_ERROR_ACCESS_DENIED,
			"The first message on a bus is Hello", sd_bus_message_get_member(message));
	}

	const char *destination = sd_bus_message_get_destination(message);
	if (!destination || strcmp(destination, BUS_DRIVER_NAME) == 0 ||
		strcmp(destination, client->bus->service->name) == 0 ||
		strcmp(destination, BUS_SERVICE_UNIQUE) == 0) {
		return 0;
	}
	if (destination[0] == ':') {
		return refuse_no_owner(message, destination);
	}
	return refuse_no_service(message, destination);
}
