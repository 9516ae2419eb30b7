/*
 * The least of org.freedesktop.DBus that lets ordinary bus clients (gdbus, busctl, scanoutctl with
 * --address) talk to a guest connection, which has no bus daemon behind it.
 */
#include <errno.h>
#include <string.h>

#include "bus.h"
#include "common/names.h"

#define DRIVER_NAME "org.freedesktop.DBus"

static int method_hello(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, "s", ":1.1");
}

/* Signals go to whom they concern, whether asked for or not. */
static int method_match(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, NULL);
}

static bool is_owned(const char *name) {
	return strcmp(name, SCANOUT_BUS_NAME) == 0 || strcmp(name, DRIVER_NAME) == 0;
}

static int method_has_owner(sd_bus_message *message, void *data, sd_bus_error *error) {
	const char *name;
	int r = sd_bus_message_read(message, "s", &name);
	return r < 0 ? r : sd_bus_reply_method_return(message, "b", (int)is_owned(name));
}

static int method_get_owner(sd_bus_message *message, void *data, sd_bus_error *error) {
	const char *name;
	int r = sd_bus_message_read(message, "s", &name);
	if (r < 0) {
		return r;
	}
	if (!is_owned(name)) {
		return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
			"Only " SCANOUT_BUS_NAME " can be reached over this socket");
	}
	return sd_bus_reply_method_return(message, "s", name);
}

#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable driver_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Hello", NULL, "s", method_hello, ANYBODY),
	SD_BUS_METHOD("AddMatch", "s", NULL, method_match, ANYBODY),
	SD_BUS_METHOD("RemoveMatch", "s", NULL, method_match, ANYBODY),
	SD_BUS_METHOD("NameHasOwner", "s", "b", method_has_owner, ANYBODY),
	SD_BUS_METHOD("GetNameOwner", "s", "s", method_get_owner, ANYBODY),
	SD_BUS_VTABLE_END,
};

int bus_driver_register(struct peer *peer) {
	/* What is sent without it has no sender, and bus clients drop such signals. */
	int r = sd_bus_set_sender(peer->connection, SCANOUT_BUS_NAME);
	if (r < 0) {
		return r;
	}
	return sd_bus_add_object_vtable(
		peer->connection, NULL, "/org/freedesktop/DBus", DRIVER_NAME, driver_vtable, peer);
}
