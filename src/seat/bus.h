/*
 * A minimal system bus: one socket with one service. Clients cannot talk to each other, own names
 * or start services; they find one name and that service's objects. If the container has a system
 * bus of its own, clients see that bus, except that this service replaces the one of the same name.
 */
#ifndef SCANOUT_SEAT_BUS_H
#define SCANOUT_SEAT_BUS_H

#include "seat/bus_client.h"

int bus_create(
	struct bus **ret, sd_event *event, const struct bus_service *service, void *service_data);
/* Disconnects all clients first. Accepts NULL. */
void bus_destroy(struct bus *bus);

/* Disconnects all clients; new ones may connect. Not for use by the service itself. */
void bus_hang_up(struct bus *bus);

/* Serves a listening socket. Takes fd over on success. */
int bus_listen(struct bus *bus, int fd);
/* Serves one connected socket. Takes fd over, always. */
int bus_adopt(struct bus *bus, int fd);

#endif
