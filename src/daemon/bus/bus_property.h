/* The properties of the manager. */
#ifndef SCANOUTD_BUS_PROPERTY_H
#define SCANOUTD_BUS_PROPERTY_H

#include "daemon/bus/peer.h"

/* A getter of sd_bus_vtable. */
int bus_property_get(sd_bus *connection, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error);

#endif
