/* org.freedesktop.DBus, the interface of a bus daemon, for guests, who have none. */
#ifndef SCANOUT_FRONT_DRIVER_H
#define SCANOUT_FRONT_DRIVER_H

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

struct driver {
	sd_bus *bus; // of the guest
	uid_t uid;   // its
	pid_t pid;
	bool said_hello;
};

int driver_register(struct driver *driver);
/*
 * Filters a call before any object handles it. Returns 0 if it is the driver's, 1 if it is refused,
 * -EREMOTE if it is for scanoutd, another negative errno if the guest cannot be answered.
 */
int driver_route(struct driver *driver, sd_bus_message *call);
/* scanoutd has left its name, or is back. As on a bus, whoever said hello hears of it. */
void driver_tell_owner(struct driver *driver, bool is_there);

#endif
