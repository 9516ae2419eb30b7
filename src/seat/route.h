/* What becomes of a message from a client of the mini bus. */
#ifndef SCANOUT_SEAT_ROUTE_H
#define SCANOUT_SEAT_ROUTE_H

#include "seat/bus_client.h"

/*
 * Filters a message before any object handles it. Returns 0 to let it pass, 1 if it was answered or
 * dropped, negative errno if the client cannot be answered.
 */
int route_message(struct bus_client *client, sd_bus_message *message);

#endif
