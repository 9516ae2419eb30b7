/*
 * A system bus in miniature: one socket, one service behind it. Clients cannot talk to each
 * other, own names or start anything; they find exactly one name and that service's objects.
 */
#ifndef SCANOUT_SEAT_BUS_H
#define SCANOUT_SEAT_BUS_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

#define BUS_DRIVER_NAME "org.freedesktop.DBus"
#define BUS_DRIVER_PATH "/org/freedesktop/DBus"
/* The unique name of the service; clients are ":1.1" and up. */
#define BUS_SERVICE_UNIQUE ":1.0"

struct bus_client;

/* The one service of a bus. */
struct bus_service {
	const char *name;
	/* A client came: adds the service's objects to client->link, sets client->service_data. */
	int (*connect)(void *data, struct bus_client *client);
	/* It is gone. Not called when connect() failed. */
	void (*disconnect)(void *data, struct bus_client *client);
};

struct bus_client {
	struct bus *bus;
	sd_bus *link;
	char unique[16];
	bool said_hello;
	bool is_connected; // the service knows it
	void *service_data;
	LIST_ENTRY(bus_client) entry; // bus.clients
};

LIST_HEAD(bus_clients, bus_client);

struct bus {
	sd_event *event;
	const struct bus_service *service;
	void *service_data;
	sd_event_source *listener; // may be NULL
	sd_event_source *post;
	sd_event_source *again;
	struct bus_clients clients; // bus_client.entry
	unsigned n_clients;
	unsigned next_unique;
	sd_id128_t id;
};

int bus_create(
	struct bus **ret, sd_event *event, const struct bus_service *service, void *service_data);
/* Drops every client first. Accepts NULL. */
void bus_destroy(struct bus *bus);

/* Drops every client there is; new ones may come. Not for use by the service itself. */
void bus_hang_up(struct bus *bus);

/* Serves a listening socket. Takes fd over on success. */
int bus_listen(struct bus *bus, int fd);
/* Serves one connected socket. Takes fd over, always. */
int bus_adopt(struct bus *bus, int fd);

/*
 * A signal of the service to one client, for the caller to fill and send with bus_client_send().
 * It names its sender, without which GDBus proxies drop it.
 */
int bus_client_new_signal(struct bus_client *client, sd_bus_message **ret, const char *path,
	const char *interface, const char *member);
int bus_client_send(struct bus_client *client, sd_bus_message *message);

#endif
