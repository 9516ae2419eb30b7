/*
 * Connects one client of the mini bus to the container's own system bus, under the client's own
 * identity. Messages that are not for the service go there; messages from there go to the client.
 */
#ifndef SCANOUT_SEAT_BRIDGE_H
#define SCANOUT_SEAT_BRIDGE_H

#include "seat/bus_client.h"

struct bridge;

/* Connects as the client's user. Negative errno if there is no bus, or it refuses the user. */
int bridge_create(struct bridge **ret, struct bus_client *client, const char *address);
/* Accepts NULL. */
void bridge_destroy(struct bridge *bridge);

/* Replies to the client's Hello with its name on that bus, as soon as the name is known. */
int bridge_hello(struct bridge *bridge, sd_bus_message *message);
/* Forwards a client's message. Returns 1, or negative errno to disconnect the client. */
int bridge_forward(struct bridge *bridge, sd_bus_message *message);

#endif
