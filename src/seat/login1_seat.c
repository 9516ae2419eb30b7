/* The Seat and User objects: what little there is to know about them. */
#include <string.h>

#include "login1.h"

/* There is nothing to switch to, and asking for it is no fault of the program's. */
static int method_accept(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, NULL);
}

static int get_id(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "s", client->base.seat->name);
}

static int get_true(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "b", 1);
}

static int get_uid(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "u", (uint32_t)client->peer.uid);
}

static int get_gid(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "u", (uint32_t)client->peer.gid);
}

static int get_name(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "s", client->user);
}

#define METHOD(name, in, out, handler) \
	SD_BUS_METHOD(name, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)
#define CONSTANT(name, type, getter) \
	SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define CHANGING(name, type, getter) \
	SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

static const sd_bus_vtable seat_vtable[] = {
	SD_BUS_VTABLE_START(0),
	CONSTANT("Id", "s", get_id),
	CONSTANT("ActiveSession", "(so)", login1_get_session),
	CONSTANT("CanMultiSession", "b", login1_get_false),
	CONSTANT("CanTTY", "b", login1_get_false),
	CONSTANT("CanGraphical", "b", get_true),
	CONSTANT("Sessions", "a(so)", login1_get_sessions),
	CHANGING("IdleHint", "b", login1_get_idle_hint),
	CHANGING("IdleSinceHint", "t", login1_get_zero),
	CHANGING("IdleSinceHintMonotonic", "t", login1_get_zero),
	METHOD("ActivateSession", "s", NULL, method_accept),
	METHOD("SwitchTo", "u", NULL, method_accept),
	METHOD("SwitchToNext", NULL, NULL, method_accept),
	METHOD("SwitchToPrevious", NULL, NULL, method_accept),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable user_vtable[] = {
	SD_BUS_VTABLE_START(0),
	CONSTANT("UID", "u", get_uid),
	CONSTANT("GID", "u", get_gid),
	CONSTANT("Name", "s", get_name),
	CONSTANT("Timestamp", "t", login1_get_zero),
	CONSTANT("TimestampMonotonic", "t", login1_get_zero),
	CONSTANT("RuntimePath", "s", login1_get_empty),
	CONSTANT("Service", "s", login1_get_empty),
	CONSTANT("Slice", "s", login1_get_empty),
	CONSTANT("Display", "(so)", login1_get_session),
	CHANGING("State", "s", login1_get_state),
	CONSTANT("Sessions", "a(so)", login1_get_sessions),
	CHANGING("IdleHint", "b", login1_get_idle_hint),
	CHANGING("IdleSinceHint", "t", login1_get_zero),
	CHANGING("IdleSinceHintMonotonic", "t", login1_get_zero),
	CONSTANT("Linger", "b", login1_get_false),
	SD_BUS_VTABLE_END,
};

int login1_add_seat(struct login1_client *client) {
	const char *paths[] = {client->login1->seat_path, LOGIN1_PATH "/seat/auto",
		LOGIN1_PATH "/seat/self", NULL};
	return login1_add_object(client, paths, LOGIN1_SEAT, seat_vtable);
}

int login1_add_user(struct login1_client *client) {
	const char *paths[] = {client->user_path, LOGIN1_PATH "/user/self", NULL};
	return login1_add_object(client, paths, LOGIN1_USER, user_vtable);
}
