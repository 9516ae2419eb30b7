#include "seat/login1_member.h"

int login1_add_object(struct login1_client *client, const char *const *paths, const char *interface,
	const sd_bus_vtable *vtable) {
	for (; *paths; paths++) {
		int r = sd_bus_add_object_vtable(
			client->bus->served.bus, NULL, *paths, interface, vtable, client);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

void login1_drop_control(struct login1_client *client) {
	if (client->login1->controller == client) {
		client->login1->controller = NULL;
		seat_close_card(&client->base);
	}
}

int login1_accept(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, NULL);
}

int login1_get_false(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "b", 0);
}

int login1_get_idle_hint(sd_bus *link, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "b", (int)client->login1->idle_hint);
}

int login1_get_zero(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "t", UINT64_C(0));
}

int login1_get_empty(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "s", "");
}

int login1_get_state(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "s", client->base.seat->active ? "active" : "online");
}

int login1_get_name(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "s", client->user);
}

int login1_get_session(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(
		reply, "(so)", client->base.seat->session, client->login1->session_path);
}

int login1_get_sessions(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(
		reply, "a(so)", 1, client->base.seat->session, client->login1->session_path);
}
