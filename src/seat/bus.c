#include "bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/socket.h"
#include "driver.h"

/* What one seat's programs need is below ten. */
#define MAX_CLIENTS 64
/* A client that leaves this many messages unread is not coming back for them. */
#define MAX_UNREAD 512
/* Messages taken from one client before the others, and every other event, get their turn. */
#define MAX_BURST 32

static void client_destroy(struct bus_client *client) {
	struct bus *bus = client->bus;
	LIST_REMOVE(client, entry);
	bus->n_clients--;
	if (client->is_connected) {
		bus->service->disconnect(bus->service_data, client);
	}
	sd_bus_close_unref(client->link);
	free(client);
}

static int handle_message(sd_bus_message *message, void *data, sd_bus_error *error) {
	return driver_route(data, message);
}

static int client_start(struct bus_client *client, int fd) {
	struct bus *bus = client->bus;
	sd_bus *link = client->link;
	int r;

	if ((r = sd_bus_set_fd(link, fd, fd)) < 0) {
		close(fd);
		return r;
	}
	/* Anonymous: in a user namespace the uid that a client claims is never the one seen here.
	 * Who may connect is decided by who can reach the socket. */
	if ((r = sd_bus_set_server(link, 1, bus->id)) < 0 ||
		(r = sd_bus_set_anonymous(link, 1)) < 0 ||
		(r = sd_bus_negotiate_fds(link, 1)) < 0 ||
		(r = sd_bus_add_filter(link, NULL, handle_message, client)) < 0 ||
		(r = driver_attach(client)) < 0 ||
		/* Else the end of the loop waits for who does not read, or has not said hello. */
		(r = sd_bus_set_close_on_exit(link, 0)) < 0 || (r = sd_bus_start(link)) < 0 ||
		(r = sd_bus_attach_event(link, bus->event, SD_EVENT_PRIORITY_NORMAL)) < 0) {
		return r;
	}
	r = bus->service->connect(bus->service_data, client);
	client->is_connected = r >= 0;
	return r;
}

int bus_adopt(struct bus *bus, int fd) {
	struct bus_client *client = calloc(1, sizeof(*client));
	int r = client && bus->n_clients < MAX_CLIENTS ? sd_bus_new(&client->link) : -ENOBUFS;
	if (r < 0) {
		free(client);
		close(fd);
		return r;
	}
	client->bus = bus;
	bus->next_unique++;
	snprintf(client->unique, sizeof(client->unique), ":1.%u", bus->next_unique);
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

/* 1 if there may be more to do at once, 0 if not, negative errno if the client is to go. */
static int client_process(struct bus_client *client) {
	uint64_t unread;
	int r = 1;

	for (int i = 0; i < MAX_BURST && r > 0; i++) {
		r = sd_bus_process(client->link, NULL);
	}
	if (r < 0) {
		return r;
	}
	if (sd_bus_is_open(client->link) <= 0) {
		return -ENOTCONN;
	}
	if (sd_bus_get_n_queued_write(client->link, &unread) < 0 || unread > MAX_UNREAD) {
		return -ENOBUFS;
	}
	return r;
}

/*
 * A server-side sd-bus connection does not wake up for bytes that came in one piece with the end
 * of the handshake (systemd 252), so every round ends with a look at all connections.
 */
static int handle_post(sd_event_source *source, void *data) {
	struct bus *bus = data;
	bool again = false;
	struct bus_client *next;

	for (struct bus_client *client = LIST_FIRST(&bus->clients); client; client = next) {
		int r = client_process(client);
		next = LIST_NEXT(client, entry);
		if (r < 0) {
			client_destroy(client);
		}
		again |= r > 0;
	}
	return sd_event_source_set_enabled(bus->again, again ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* Only wakes the loop, so that handle_post() runs once more. */
static int handle_again(sd_event_source *source, void *data) {
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

	int r = sd_id128_randomize(&bus->id);
	if (r < 0 || (r = sd_event_add_post(event, &bus->post, handle_post, bus)) < 0 ||
		(r = sd_event_add_defer(event, &bus->again, handle_again, bus)) < 0 ||
		(r = sd_event_source_set_enabled(bus->again, SD_EVENT_OFF)) < 0) {
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
	sd_event_source_disable_unref(bus->again);
	sd_event_source_disable_unref(bus->post);
	sd_event_unref(bus->event);
	free(bus);
}

int bus_listen(struct bus *bus, int fd) {
	return socket_serve(bus->event, &bus->listener, fd, handle_connection, bus);
}

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
