#include "seat/bus.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/socket.h"
#include "seat/bridge.h"
#include "seat/route.h"

/* What one seat's programs need is below ten. */
#define MAX_CLIENTS 64
/* Messages taken from one client before the others, and every other event, get their turn. */
#define MAX_BURST 32

/* The unique name of the service, which no real bus assigns. Clients have ":1.1" and up. */
#define SERVICE_UNIQUE ":0.0"

static void client_destroy(struct bus_client *client) {
	struct bus *bus = client->bus;
	LIST_REMOVE(client, entry);
	bus->n_clients--;
	bridge_destroy(client->bridge);
	if (client->is_connected) {
		bus->service->disconnect(bus->service_data, client);
	}
	served_stop(&client->served);
	sd_bus_close_unref(client->served.bus);
	free(client);
}

static void handle_ended(struct served *served, int error) {
	client_destroy((struct bus_client *)((char *)served - offsetof(struct bus_client, served)));
}

static int handle_message(sd_bus_message *message, void *data, sd_bus_error *error) {
	return route_message(data, message);
}

/* With a bus behind it a client has its name there. */
static int handle_hello(struct driver *driver, sd_bus_message *hello) {
	struct bus_client *client =
		(struct bus_client *)((char *)driver - offsetof(struct bus_client, driver));
	return client->bridge ? bridge_hello(client->bridge, hello) : driver_welcome(driver, hello);
}

static int client_start(struct bus_client *client, int fd) {
	struct bus *bus = client->bus;
	int r;
	if ((r = sd_bus_add_filter(client->served.bus, NULL, handle_message, client)) < 0 ||
		(r = driver_register(&client->driver, fd)) < 0) {
		close(fd);
		return r;
	}
	r = served_start(&client->served, &bus->server, fd);
	if (r < 0) {
		return r;
	}
	r = bus->service->connect(bus->service_data, client);
	client->is_connected = r >= 0;
	/* Without one there it has this bus alone. */
	if (r >= 0 && bus->upstream) {
		(void)bridge_create(&client->bridge, client, bus->upstream);
	}
	return r;
}

int bus_adopt(struct bus *bus, int fd) {
	struct bus_client *client =
		bus->n_clients < MAX_CLIENTS ? calloc(1, sizeof(*client)) : NULL;
	int r = -ENOBUFS;
	if (client) {
		r = sd_bus_new(&client->served.bus);
	}
	if (!client || r < 0) {
		free(client);
		close(fd);
		return r;
	}
	client->bus = bus;
	client->served.ended = handle_ended;
	client->driver = (struct driver){.bus = client->served.bus,
		.service = bus->service->name,
		.service_unique = SERVICE_UNIQUE,
		.hello = handle_hello};
	bus->next_unique++;
	snprintf(client->driver.unique, sizeof(client->driver.unique), ":1.%u", bus->next_unique);
	LIST_INSERT_HEAD(&bus->clients, client, entry);
	bus->n_clients++;

	r = client_start(client, fd);
	if (r < 0) {
		client_destroy(client);
	}
	return r;
}

static int handle_connection(sd_event_source *source, int fd, uint32_t revents, void *data) {
	int client = socket_accept(fd);
	if (client >= 0) {
		(void)bus_adopt(data, client);
	}
	return 0;
}

int bus_create(
	struct bus **ret, sd_event *event, const struct bus_service *service, void *service_data) {
	struct bus *bus = calloc(1, sizeof(*bus));
	if (!bus) {
		return -ENOMEM;
	}
	LIST_INIT(&bus->clients);
	bus->event = sd_event_ref(event);
	bus->service = service;
	bus->service_data = service_data;

	int r = server_init(&bus->server, event, MAX_BURST);
	if (r < 0) {
		bus_destroy(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

void bus_hang_up(struct bus *bus) {
	while (!LIST_EMPTY(&bus->clients)) {
		client_destroy(LIST_FIRST(&bus->clients));
	}
}

void bus_destroy(struct bus *bus) {
	if (!bus) {
		return;
	}
	bus_hang_up(bus);
	sd_event_source_disable_unref(bus->listener);
	server_finish(&bus->server);
	sd_event_unref(bus->event);
	free(bus);
}

int bus_listen(struct bus *bus, int fd) {
	return socket_serve(bus->event, &bus->listener, fd, handle_connection, bus);
}
