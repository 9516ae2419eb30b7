/*
 * What a bus daemon would answer, to a guest connection that has none behind it: so much of
 * org.freedesktop.DBus that client libraries take the connection for a bus with two on it, the
 * guest and scanoutd.
 */
#include "front/driver.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "scanout/dbus_names.h"

#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

/* Signals of a service are known by its unique name, which a well-known one only stands for. */
#define OUR_UNIQUE ":1.0"
#define GUEST_UNIQUE ":1.1"

/* Return values of StartServiceByName and ReleaseName, from the D-Bus specification. */
#define START_REPLY_ALREADY_RUNNING 2
#define RELEASE_NAME_NOT_OWNER 3

/* The driver has a name of its own; everything else on the connection is sent by OUR_UNIQUE. */
static int send_as_driver(sd_bus_message *message) {
	int r = sd_bus_message_set_sender(message, DRIVER_NAME);
	return r < 0 ? r : sd_bus_send(NULL, message, NULL);
}

static int reply(sd_bus_message *call, const char *types, ...) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	va_list args;
	int r = sd_bus_message_new_method_return(call, &message);
	if (r < 0) {
		return r;
	}
	va_start(args, types);
	r = sd_bus_message_appendv(message, types, args);
	va_end(args);
	return r < 0 ? r : send_as_driver(message);
}

/* 1, also for a caller that wants no reply: from a filter 0 would mean "go on". */
static int refuse(sd_bus_message *call, const char *name, const char *what, const char *why) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *message = NULL;
	if (sd_bus_message_get_expect_reply(call) == 0) {
		return 1;
	}
	sd_bus_error_setf(&error, name, "'%s' %s", what, why);
	int r = sd_bus_message_new_method_error(call, &message, &error);
	if (r >= 0) {
		r = send_as_driver(message);
	}
	return r < 0 ? r : 1;
}

static int refuse_unknown(sd_bus_message *call, const char *error, const char *name) {
	return refuse(
		call, error, name, "is not here: this socket leads to " SCANOUT_BUS_NAME " alone");
}

/* The unique name behind a name, or NULL. */
static const char *owner_of(const char *name) {
	static const char *const owners[][2] = {{SCANOUT_BUS_NAME, OUR_UNIQUE},
		{OUR_UNIQUE, OUR_UNIQUE}, {GUEST_UNIQUE, GUEST_UNIQUE}, {DRIVER_NAME, DRIVER_NAME}};
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		if (strcmp(name, owners[i][0]) == 0) {
			return owners[i][1];
		}
	}
	return NULL;
}

/* The owner of the name that the call is about; without one NULL, and the call is refused. */
static int read_owner(sd_bus_message *call, const char **ret) {
	const char *name;
	*ret = NULL;
	int r = sd_bus_message_read(call, "s", &name);
	if (r < 0) {
		return r;
	}
	*ret = owner_of(name);
	return *ret ? 1 : refuse_unknown(call, SD_BUS_ERROR_NAME_HAS_NO_OWNER, name);
}

struct credentials {
	uint32_t uid, pid;
};

/* The guest's, as its socket told them, or ours; else as read_owner(). */
static int read_credentials(const struct driver *driver, sd_bus_message *call,
	struct credentials *ret, bool *ret_known) {
	const char *owner;
	int r = read_owner(call, &owner);
	*ret_known = owner;
	*ret = owner && strcmp(owner, GUEST_UNIQUE) == 0
		       ? (struct credentials){driver->uid, (uint32_t)driver->pid}
		       : (struct credentials){geteuid(), (uint32_t)getpid()};
	return r;
}

static int send_name_signal(sd_bus_message *call, const char *member) {
	AUTO_MESSAGE sd_bus_message *signal = NULL;
	int r = sd_bus_message_new_signal(
		sd_bus_message_get_bus(call), &signal, DRIVER_PATH, DRIVER_NAME, member);
	if (r >= 0) {
		r = sd_bus_message_set_destination(signal, GUEST_UNIQUE);
	}
	if (r >= 0) {
		r = sd_bus_message_append(signal, "s", GUEST_UNIQUE);
	}
	return r < 0 ? r : send_as_driver(signal);
}

static int method_hello(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct driver *driver = data;
	driver->said_hello = true;
	int r = reply(call, "s", GUEST_UNIQUE);
	return r < 0 ? r : send_name_signal(call, "NameAcquired");
}

/* Signals go to whom they concern, whether asked for or not. */
static int method_match(sd_bus_message *call, void *data, sd_bus_error *error) {
	return reply(call, "");
}

static int method_has_owner(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *name;
	int r = sd_bus_message_read(call, "s", &name);
	return r < 0 ? r : reply(call, "b", owner_of(name) != NULL);
}

static int method_get_owner(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *owner;
	int r = read_owner(call, &owner);
	return !owner ? r : reply(call, "s", owner);
}

static int method_list_queued(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *owner;
	int r = read_owner(call, &owner);
	return !owner ? r : reply(call, "as", 1, owner);
}

static int method_list_names(sd_bus_message *call, void *data, sd_bus_error *error) {
	return reply(call, "as", 4, DRIVER_NAME, SCANOUT_BUS_NAME, OUR_UNIQUE, GUEST_UNIQUE);
}

static int method_list_activatable(sd_bus_message *call, void *data, sd_bus_error *error) {
	return reply(call, "as", 2, DRIVER_NAME, SCANOUT_BUS_NAME);
}

static int method_start_service(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *name;
	uint32_t flags;
	int r = sd_bus_message_read(call, "su", &name, &flags);
	if (r < 0) {
		return r;
	}
	/* Clients that start what they talk to take this error, and no other, for a "go on". */
	return owner_of(name) ? reply(call, "u", START_REPLY_ALREADY_RUNNING)
			      : refuse_unknown(call, SD_BUS_ERROR_SERVICE_UNKNOWN, name);
}

static int method_request_name(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *name;
	uint32_t flags;
	int r = sd_bus_message_read(call, "su", &name, &flags);
	return r < 0 ? r
		     : refuse(call, SD_BUS_ERROR_ACCESS_DENIED, name,
			       "cannot be had: nobody could call a guest by a name");
}

static int method_release_name(sd_bus_message *call, void *data, sd_bus_error *error) {
	return reply(call, "u", RELEASE_NAME_NOT_OWNER);
}

static int method_get_id(sd_bus_message *call, void *data, sd_bus_error *error) {
	char text[SD_ID128_STRING_MAX];
	sd_id128_t id;
	int r = sd_bus_get_bus_id(sd_bus_message_get_bus(call), &id);
	return r < 0 ? r : reply(call, "s", sd_id128_to_string(id, text));
}

static int method_get_user(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct credentials c;
	bool known;
	int r = read_credentials(data, call, &c, &known);
	return !known ? r : reply(call, "u", c.uid);
}

static int method_get_pid(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct credentials c;
	bool known;
	int r = read_credentials(data, call, &c, &known);
	return !known ? r : reply(call, "u", c.pid);
}

static int method_get_credentials(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct credentials c;
	bool known;
	int r = read_credentials(data, call, &c, &known);
	return !known ? r
		      : reply(call, "a{sv}", 2, "UnixUserID", "u", c.uid, "ProcessID", "u", c.pid);
}

static int method_get_selinux(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *owner;
	int r = read_owner(call, &owner);
	return !owner ? r
		      : refuse(call, "org.freedesktop.DBus.Error.SELinuxSecurityContextUnknown",
				owner, "has no context that is known here");
}

/* A guest's connection has nothing to overhear but what it hears anyway. */
static int method_become_monitor(sd_bus_message *call, void *data, sd_bus_error *error) {
	int r = reply(call, "");
	return r < 0 ? r : send_name_signal(call, "NameLost");
}

static int get_strings(sd_bus *connection, const char *path, const char *interface,
	const char *property, sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_message_append(message, "as", 0);
}

#define METHOD(name, in, out, handler) \
	SD_BUS_METHOD(name, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable driver_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Features", "as", get_strings, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Interfaces", "as", get_strings, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	METHOD("Hello", NULL, "s", method_hello),
	METHOD("AddMatch", "s", NULL, method_match),
	METHOD("RemoveMatch", "s", NULL, method_match),
	METHOD("NameHasOwner", "s", "b", method_has_owner),
	METHOD("GetNameOwner", "s", "s", method_get_owner),
	METHOD("ListQueuedOwners", "s", "as", method_list_queued),
	METHOD("ListNames", NULL, "as", method_list_names),
	METHOD("ListActivatableNames", NULL, "as", method_list_activatable),
	METHOD("StartServiceByName", "su", "u", method_start_service),
	METHOD("RequestName", "su", "u", method_request_name),
	METHOD("ReleaseName", "s", "u", method_release_name),
	METHOD("GetId", NULL, "s", method_get_id),
	METHOD("GetConnectionUnixUser", "s", "u", method_get_user),
	METHOD("GetConnectionUnixProcessID", "s", "u", method_get_pid),
	METHOD("GetConnectionCredentials", "s", "a{sv}", method_get_credentials),
	METHOD("GetConnectionSELinuxSecurityContext", "s", "ay", method_get_selinux),
	SD_BUS_SIGNAL("NameOwnerChanged", "sss", 0),
	SD_BUS_SIGNAL("NameAcquired", "s", 0),
	SD_BUS_SIGNAL("NameLost", "s", 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable monitoring_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("BecomeMonitor", "asu", NULL, method_become_monitor),
	SD_BUS_VTABLE_END,
};

/* sd-bus answers whatever the destination: a call to somebody who is not here is not ours. */
int driver_route(struct driver *driver, sd_bus_message *call) {
	const char *destination = sd_bus_message_get_destination(call);
	const char *path = sd_bus_message_get_path(call);
	const char *interface = sd_bus_message_get_interface(call);
	if (destination && strcmp(destination, SCANOUT_BUS_NAME) != 0 &&
		strcmp(destination, OUR_UNIQUE) != 0 && strcmp(destination, DRIVER_NAME) != 0) {
		return refuse_unknown(call,
			destination[0] == ':' ? SD_BUS_ERROR_NAME_HAS_NO_OWNER
					      : SD_BUS_ERROR_SERVICE_UNKNOWN,
			destination);
	}
	/* sd-bus knows the Peer's calls by itself. */
	bool is_ours = strcmp(path, DRIVER_PATH) == 0 ||
		       (destination && strcmp(destination, DRIVER_NAME) == 0) ||
		       (interface && strcmp(interface, DRIVER_NAME ".Peer") == 0);
	return is_ours ? 0 : -EREMOTE;
}

void driver_tell_owner(struct driver *driver, bool is_there) {
	AUTO_MESSAGE sd_bus_message *signal = NULL;
	if (driver->said_hello &&
		sd_bus_message_new_signal(
			driver->bus, &signal, DRIVER_PATH, DRIVER_NAME, "NameOwnerChanged") >= 0 &&
		sd_bus_message_append(signal, "sss", SCANOUT_BUS_NAME, is_there ? "" : OUR_UNIQUE,
			is_there ? OUR_UNIQUE : "") >= 0) {
		(void)send_as_driver(signal);
	}
}

int driver_register(struct driver *driver) {
	sd_bus *bus = driver->bus;
	int r = sd_bus_set_sender(bus, OUR_UNIQUE);
	if (r >= 0) {
		r = sd_bus_add_object_vtable(
			bus, NULL, DRIVER_PATH, DRIVER_NAME, driver_vtable, driver);
	}
	if (r >= 0) {
		r = sd_bus_add_object_vtable(bus, NULL, DRIVER_PATH, DRIVER_NAME ".Monitoring",
			monitoring_vtable, driver);
	}
	return r;
}
