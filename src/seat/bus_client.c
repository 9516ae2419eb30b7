#include "seat/bus_client.h"

#include "common/cleanup.h"

int bus_client_new_signal(struct bus_client *client, sd_bus_message **ret, const char *path,
	const char *interface, const char *member) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	int r = sd_bus_message_new_signal(client->link, &message, path, interface, member);
	if (r < 0 || (r = sd_bus_message_set_sender(message, BUS_SERVICE_UNIQUE)) < 0) {
		return r;
	}
	*ret = TAKE_PTR(message);
	return 0;
}

int bus_client_send(struct bus_client *client, sd_bus_message *message) {
	/* Before Hello a client has no name, and takes a stray message for a fault. */
	return client->said_hello ? sd_bus_send(client->link, message, NULL) : 0;
}

static int send_name_acquired(struct bus_client *client) {
	AUTO_MESSAGE sd_bus_message *signal = NULL;
	int r = sd_bus_message_new_signal(
		client->link, &signal, BUS_DRIVER_PATH, BUS_DRIVER_NAME, "NameAcquired");
	if (r < 0 || (r = sd_bus_message_set_sender(signal, BUS_DRIVER_NAME)) < 0 ||
		(r = sd_bus_message_set_destination(signal, client->unique)) < 0 ||
		(r = sd_bus_message_append(signal, "s", client->unique)) < 0) {
		return r;
	}
	return bus_client_send(client, signal);
}

int bus_client_answer_hello(struct bus_client *client, sd_bus_message *hello) {
	int r = sd_bus_reply_method_return(hello, "s", client->unique);
	return r < 0 ? r : send_name_acquired(client);
}
