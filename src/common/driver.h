/*
 * org.freedesktop.DBus, the interface of a bus daemon, for clients who have none: so much of it
 * that their libraries take the connection for a bus with two on it, the client and one service.
 */
#ifndef SCANOUT_DRIVER_H
#define SCANOUT_DRIVER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

struct driver {
	sd_bus *bus;                // of the client; borrowed
	const char *service;        // name of the one service
	const char *service_unique; // by which signals of it are known
	char unique[64];            // the client's name
	/* Answers Hello, now or later, with driver_welcome(). NULL: that is done at once. */
	int (*hello)(struct driver *driver, sd_bus_message *hello);

	struct ucred peer; // the client
	bool said_hello;   // set by its Hello
};

/* Before the bus starts on `fd`, with all above `peer` set: adds the driver's objects, and makes
 * the service the sender of all else. Returns 0 or a negative errno. */
int driver_register(struct driver *driver, int fd);
/* Refuses a call to somebody who is not here: 1, or a negative errno. Else 0. */
int driver_check(struct driver *driver, sd_bus_message *call);
/* Whether a name is one of the service's. */
bool driver_is_service(const struct driver *driver, const char *name);
/* Answers Hello with the client's name. */
int driver_welcome(struct driver *driver, sd_bus_message *hello);
/* Sends something that was not asked for. Before Hello a client has no name, and takes that for a
 * fault: then nothing is sent. */
int driver_send(struct driver *driver, sd_bus_message *message);
/* The service has left its name, or is back. As on a bus, whoever said hello hears of it. */
void driver_tell_owner(struct driver *driver, bool is_there);

#endif
