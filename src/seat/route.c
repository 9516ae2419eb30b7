#include "seat/route.h"

#include <string.h>

#include "seat/bridge.h"

/* What is asked about the service's name, it is not for another bus to answer. */
static bool asks_about_service(const struct bus_client *client, sd_bus_message *message) {
	static const char *const members[] = {"GetNameOwner", "NameHasOwner", "ListQueuedOwners",
		"StartServiceByName", "GetConnectionUnixUser", "GetConnectionUnixProcessID",
		"GetConnectionCredentials", "GetConnectionSELinuxSecurityContext"};
	const char *name;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (sd_bus_message_is_method_call(message, DRIVER_NAME, members[i]) <= 0) {
			continue;
		}
		bool is_own = sd_bus_message_read(message, "s", &name) > 0 &&
			      driver_is_service(&client->driver, name);
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
	if (!destination || strcmp(destination, DRIVER_NAME) == 0) {
		return sd_bus_message_is_method_call(message, DRIVER_NAME, "Hello") > 0 ||
		       asks_about_service(client, message);
	}
	return driver_is_service(&client->driver, destination);
}

/* As dbus-daemon has it: no destination means the bus itself. */
int route_message(struct bus_client *client, sd_bus_message *message) {
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", NULL) > 0) {
		return 0;
	}
	if (client->bridge && client->driver.said_hello && !is_for_service(client, message)) {
		return bridge_forward(client->bridge, message);
	}
	if (!sd_bus_message_is_method_call(message, NULL, NULL)) {
		return 1; /* there is nobody here to get signals or replies from a client */
	}
	if (!client->driver.said_hello &&
		!sd_bus_message_is_method_call(message, DRIVER_NAME, "Hello")) {
		int r = sd_bus_reply_method_errorf(message, SD_BUS_ERROR_ACCESS_DENIED,
			"The first message on a bus is Hello, not %s",
			sd_bus_message_get_member(message));
		/* 0 for a caller that wants no reply would mean "go on". */
		return r < 0 ? r : 1;
	}
	return driver_check(&client->driver, message);
}
