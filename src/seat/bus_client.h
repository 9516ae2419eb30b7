/*
 * One client of the mini bus: its connection and its name. The data of the bus is here too, so that
 * its parts need not include the bus itself.
 */
#ifndef SCANOUT_SEAT_BUS_CLIENT_H
#define SCANOUT_SEAT_BUS_CLIENT_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

#include "common/driver.h"
#include "common/server.h"

struct bridge;
struct bus_client;

/* The one service of a bus. */
struct bus_service {
	const char *name;
	const char *path; // its objects are at this path and below
	/* For a new client: adds the service's objects to client->served.bus, sets service_data. */
	int (*connect)(void *data, struct bus_client *client);
	/* The client has disconnected. Not called if connect() failed. */
	void (*disconnect)(void *data, struct bus_client *client);
};

struct bus_client {
	struct bus *bus;
	struct served served;
	struct driver driver;
	struct bridge *bridge; // to the container's own system bus; may be NULL
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

#endif
