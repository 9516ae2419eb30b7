/* org.freedesktop.DBus, the interface of the message bus itself, for the mini bus. */
#ifndef SCANOUT_SEAT_DRIVER_H
#define SCANOUT_SEAT_DRIVER_H

#include "seat/bus_client.h"

/* Adds the driver's object to a client's connection. */
int driver_attach(struct bus_client *client);

/*
 * Filters a message before any object handles it. Returns 0 to let it pass, 1 if it was answered or
 * dropped, negative errno if the client cannot be answered.
 */
int driver_route(struct bus_client *client, sd_bus_message *message);

#endif
