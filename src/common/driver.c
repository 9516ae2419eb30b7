#include "common/driver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Return values of StartServiceByName and ReleaseName, from the D-Bus specification. */
#define START_REPLY_ALREADY_RUNNING 2
#define RELEASE_NAME_NON_EXISTENT 2
#define RELEASE_NAME_NOT_OWNER 3

/* The driver has a name of its own; everything else on the connection is sent by the service. */
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

static int refuse_unknown(
	const struct driver *driver, sd_bus_message *call, const char *error, const char *name) {
	char why[300];
	snprintf(why, sizeof(why), "is not here: this socket leads to %s alone", driver->service);
	return refuse(call, error, name, why);
}

bool driver_is_service(const struct driver *driver, const char *name) {
	return strcmp(name, driver->service) == 0 || strcmp(name, driver->service_unique) == 0;
}

/* The unique name behind a name, or NULL. */
static const char *owner_of(const struct driver *driver, const char *name) {
	return driver_is_service(driver, name)     ? driver->service_unique
	       : strcmp(name, driver->unique) == 0 ? driver->unique
	       : strcmp(name, DRIVER_NAME) == 0    ? DRIVER_NAME
						   : NULL;
}

/* The owner of the name that the call is about; without one NULL, and the call is refused. */
static int read_owner(const struct driver *driver, sd_bus_message *call, const char **ret) {
	const char *name;
	*ret = NULL;
	int r = sd_bus_message_read(call, "s", &name);
	if (r < 0) {
		return r;
	}
	*ret = owner_of(driver, name);
	return *ret ? 1 : refuse_unknown(driver, call, SD_BUS_ERROR_NAME_HAS_NO_OWNER, name);
}

/* The client's credentials, or ours, which answer for all others; else as read_owner(). */
static int read_credentials(
	const struct driver *driver, sd_bus_message *call, struct ucred *ret, bool *ret_known) {
	const char *owner;
	int r = read_owner(driver, call, &owner);
	*ret_known = owner;
	*ret = owner == driver->unique ? driver->peer
				       : (struct ucred){.pid = getpid(), .uid = geteuid()};
	return r;
}

static int send_name_signal(struct driver *driver, const char *member) {
	AUTO_MESSAGE sd_bus_message *signal = NULL;
	int r = sd_bus_message_new_signal(driver->bus, &signal, DRIVER_PATH, DRIVER_NAME, member);
	if (r >= 0) {
		r = sd_bus_message_set_destination(signal, driver->unique);
	}
	if (r >= 0) {
		r = sd_bus_message_append(signal, "s", driver->unique);
	}
	return r < 0 ? r : send_as_driver(signal);
}

int driver_welcome(struct driver *driver, sd_bus_message *hello) {
	int r = reply(hello, "s", driver->unique);
	return r < 0 ? r : send_name_signal(driver, "NameAcquired");
}

static int method_hello(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct driver *driver = data;
	if (driver->said_hello) {
		return refuse(call, SD_BUS_ERROR_FAILED, "Hello", "has been said already");
	}
	driver->said_hello = true;
	return driver->hello ? driver->hello(driver, call) : driver_welcome(driver, call);
}

/* Signals go to whom they concern, whether asked for or not. */
static int method_match(sd_bus_message *call, void *data, sd_bus_error *error) {
	return reply(call, "");
}

static int method_has_owner(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *name;
	int r = sd_bus_message_read(call, "s", &name);
	return r < 0 ? r : reply(call, "b", owner_of(data, name) != NULL);
}

static int method_get_owner(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *owner;
	int r = read_owner(data, call, &owner);
	return !owner ? r : reply(call, "s", owner);
}

static int method_list_queued(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *owner;
	int r = read_owner(data, call, &owner);
	return !owner ? r : reply(call, "as", 1, owner);
}

static int method_list_names(sd_bus_message *call, void *data, sd_bus_error *error) {
	const struct driver *driver = data;
	return reply(call, "as", 4, DRIVER_NAME, driver->service, driver->service_unique,
		driver->unique);
}

static int method_list_activatable(sd_bus_message *call, void *data, sd_bus_error *error) {
	const struct driver *driver = data;
	return reply(call, "as", 2, DRIVER_NAME, driver->service);
}

static int method_start_service(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *name;
	uint32_t flags;
	int r = sd_bus_message_read(call, "su", &name, &flags);
	if (r < 0) {
		return r;
	}
	/* Clients that start what they talk to take this error, and no other, for a "go on". */
	return owner_of(data, name)
		       ? reply(call, "u", START_REPLY_ALREADY_RUNNING)
		       : refuse_unknown(data, call, SD_BUS_ERROR_SERVICE_UNKNOWN, name);
}

static int method_request_name(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *name;
	uint32_t flags;
	int r = sd_bus_message_read(call, "su", &name, &flags);
	return r < 0 ? r
		     : refuse(call, SD_BUS_ERROR_ACCESS_DENIED, name,
			       "cannot be had: nobody could call a client of this socket by a name");
}

static int method_release_name(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *name;
	int r = sd_bus_message_read(call, "s", &name);
	return r < 0 ? r
		     : reply(call, "u",
			       owner_of(data, name) ? RELEASE_NAME_NOT_OWNER
						    : RELEASE_NAME_NON_EXISTENT);
}

static int method_get_id(sd_bus_message *call, void *data, sd_bus_error *error) {
	char text[SD_ID128_STRING_MAX];
	sd_id128_t id;
	int r = sd_bus_get_bus_id(sd_bus_message_get_bus(call), &id);
	return r < 0 ? r : reply(call, "s", sd_id128_to_string(id, text));
}

static int method_get_user(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct ucred peer;
	bool known;
	int r = read_credentials(data, call, &peer, &known);
	return !known ? r : reply(call, "u", (uint32_t)peer.uid);
}

static int method_get_pid(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct ucred peer;
	bool known;
	int r = read_credentials(data, call, &peer, &known);
	return !known ? r : reply(call, "u", (uint32_t)peer.pid);
}

static int method_get_credentials(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct ucred peer;
	bool known;
	int r = read_credentials(data, call, &peer, &known);
	return !known ? r
		      : reply(call, "a{sv}", 2, "UnixUserID", "u", (uint32_t)peer.uid, "ProcessID",
				"u", (uint32_t)peer.pid);
}

static int method_get_selinux(sd_bus_message *call, void *data, sd_bus_error *error) {
	const char *owner;
	int r = read_owner(data, call, &owner);
	return !owner ? r
		      : refuse(call, "org.freedesktop.DBus.Error.SELinuxSecurityContextUnknown",
				owner, "has no context that is known here");
}

/* The connection has nothing to overhear but what it hears anyway. */
static int method_become_monitor(sd_bus_message *call, void *data, sd_bus_error *error) {
	int r = reply(call, "");
	return r < 0 ? r : send_name_signal(data, "NameLost");
}

static int method_update_environment(sd_bus_message *call, void *data, sd_bus_error *error) {
	return refuse(call, SD_BUS_ERROR_ACCESS_DENIED, "UpdateActivationEnvironment",
		"has no use: this bus starts no programs");
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
	METHOD("UpdateActivationEnvironment", "a{ss}", NULL, method_update_environment),
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
int driver_check(struct driver *driver, sd_bus_message *call) {
	const char *destination = sd_bus_message_get_destination(call);
	if (!destination || driver_is_service(driver, destination) ||
		strcmp(destination, DRIVER_NAME) == 0) {
		return 0;
	}
	return refuse_unknown(driver, call,
		destination[0] == ':' ? SD_BUS_ERROR_NAME_HAS_NO_OWNER
				      : SD_BUS_ERROR_SERVICE_UNKNOWN,
		destination);
}

int driver_send(struct driver *driver, sd_bus_message *message) {
	return driver->said_hello ? sd_bus_send(driver->bus, message, NULL) : 0;
}

void driver_tell_owner(struct driver *driver, bool is_there) {
	AUTO_MESSAGE sd_bus_message *signal = NULL;
	if (sd_bus_message_new_signal(
		    driver->bus, &signal, DRIVER_PATH, DRIVER_NAME, "NameOwnerChanged") >= 0 &&
		sd_bus_message_set_sender(signal, DRIVER_NAME) >= 0 &&
		sd_bus_message_append(signal, "sss", driver->service,
			is_there ? "" : driver->service_unique,
			is_there ? driver->service_unique : "") >= 0) {
		(void)driver_send(driver, signal);
	}
}

int driver_register(struct driver *driver, int fd) {
	socklen_t size = sizeof(driver->peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &driver->peer, &size) < 0) {
		return -errno;
	}
	int r = sd_bus_set_sender(driver->bus, driver->service_unique);
	if (r >= 0) {
		r = sd_bus_add_object_vtable(
			driver->bus, NULL, DRIVER_PATH, DRIVER_NAME, driver_vtable, driver);
	}
	if (r >= 0) {
		r = sd_bus_add_object_vtable(driver->bus, NULL, DRIVER_PATH,
			DRIVER_NAME ".Monitoring", monitoring_vtable, driver);
	}
	return r;
}
