/*
 * One client of the mini bus: its connection, its name, and the signals that it gets. The data of
 * the bus is here too, so that its parts need not include the bus itself.
 */
#ifndef SCANOUT_SEAT_BUS_CLIENT_H
#define SCANOUT_SEAT_BUS_CLIENT_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

#include "common/server.h"

#define BUS_DRIVER_NAME "org.freedesktop.DBus"
#define BUS_DRIVER_PATH "/org/freedesktop/DBus"
/* The unique name of the service, which no real bus assigns. Clients have ":1.1" and up. */
#define BUS_SERVICE_UNIQUE ":0.0"

struct bridge;
struct bus_client;

/* The one service of a bus. */
struct bus_service {
	const char *name;
	const char *path; // its objects are at this path and below
	/* For a new client: adds the service's objects to client->link, sets service_data. */
	int (*connect)(void *data, struct bus_client *client);
	/* The client has disconnected. Not called if connect() failed. */
	void (*disconnect)(void *data, struct bus_client *client);
};

struct bus_client {
	struct bus *bus;
	sd_bus *link;
	struct served served;
	char unique[64];
	struct bridge *bridge; // to the container's own system bus; may be NULL
	bool said_hello;       // set by its Hello; nothing is sent to it before
	bool is_connected;     // set when the service's connect() succeeded
	void *service_data;
	LIST_ENTRY(bus_client) entry; // bus.clients
};

LIST_HEAD(bus_clients, bus_client);

struct bus {
	sd_event *event;
	const struct bus_service *service;
	void *service_data;
	sd_event_source *listener; // may be NULL
	struct server server;
	struct bus_clients clients; // bus_client.entry
	unsigned n_clients;
	unsigned next_unique;
	const char *upstream; // borrowed: address of the container's own system bus; or NULL
};

/*
 * Makes a signal of the service to one client; the caller fills it and sends it with
 * bus_client_send(). It has a sender, since GDBus proxies drop signals without one.
 */
int bus_client_new_signal(struct bus_client *client, sd_bus_message **ret, const char *path,
	const char *interface, const char *member);
int bus_client_send(struct bus_client *client, sd_bus_message *message);

/* Replies to the client's Hello with its unique name, and announces that name to it. */
int bus_client_answer_hello(struct bus_client *client, sd_bus_message *hello);

#endif
