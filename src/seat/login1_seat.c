/* The Seat and User objects: what little there is to know about them. */
#include "seat/login1_objects.h"

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

static const sd_bus_vtable seat_vtable[] = {
	SD_BUS_VTABLE_START(0),
	LOGIN1_CONSTANT("Id", "s", get_id),
	LOGIN1_CONSTANT("ActiveSession", "(so)", login1_get_session),
	LOGIN1_CONSTANT("CanMultiSession", "b", login1_get_false),
	LOGIN1_CONSTANT("CanTTY", "b", login1_get_false),
	LOGIN1_CONSTANT("CanGraphical", "b", get_true),
	LOGIN1_CONSTANT("Sessions", "a(so)", login1_get_sessions),
	LOGIN1_CHANGING("IdleHint", "b", login1_get_idle_hint),
	LOGIN1_CHANGING("IdleSinceHint", "t", login1_get_zero),
	LOGIN1_CHANGING("IdleSinceHintMonotonic", "t", login1_get_zero),
	LOGIN1_METHOD("ActivateSession", "s", NULL, login1_accept),
	LOGIN1_METHOD("SwitchTo", "u", NULL, login1_accept),
	LOGIN1_METHOD("SwitchToNext", NULL, NULL, login1_accept),
	LOGIN1_METHOD("SwitchToPrevious", NULL, NULL, login1_accept),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable user_vtable[] = {
	SD_BUS_VTABLE_START(0),
	LOGIN1_CONSTANT("UID", "u", get_uid),
	LOGIN1_CONSTANT("GID", "u", get_gid),
	LOGIN1_CONSTANT("Name", "s", login1_get_name),
	LOGIN1_CONSTANT("Timestamp", "t", login1_get_zero),
	LOGIN1_CONSTANT("TimestampMonotonic", "t", login1_get_zero),
	LOGIN1_CONSTANT("RuntimePath", "s", login1_get_empty),
	LOGIN1_CONSTANT("Service", "s", login1_get_empty),
	LOGIN1_CONSTANT("Slice", "s", login1_get_empty),
	LOGIN1_CONSTANT("Display", "(so)", login1_get_session),
	LOGIN1_CHANGING("State", "s", login1_get_state),
	LOGIN1_CONSTANT("Sessions", "a(so)", login1_get_sessions),
	LOGIN1_CHANGING("IdleHint", "b", login1_get_idle_hint),
	LOGIN1_CHANGING("IdleSinceHint", "t", login1_get_zero),
	LOGIN1_CHANGING("IdleSinceHintMonotonic", "t", login1_get_zero),
	LOGIN1_CONSTANT("Linger", "b", login1_get_false),
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
