/* One connection of a container, which takes it for a bus with scanoutd on it. */
#ifndef SCANOUT_FRONT_GUEST_H
#define SCANOUT_FRONT_GUEST_H

#include "common/driver.h"
#include "common/server.h"
#include "front/link.h"

struct guest {
	struct served served;
	struct driver driver;
	struct link link; // opened by its first call
	int pidfd;        // of the process that connected
	/* It has gone, or has to go: the owner calls guest_destroy(). The error is a negative
	 * errno: -ENOBUFS for a guest that does not read, -ENOMEM for a message that is too large.
	 */
	void (*ended)(void *data, struct guest *guest, int error);
	void *data;
	LIST_ENTRY(guest) entry; // front.guests
};

struct guest_options {
	struct server *server;
	const char *address; // path of the agents' socket
	void (*ended)(void *data, struct guest *guest, int error);
	void *data;
};

/*
 * Takes over the connection and the pidfd, always. After -ENOMEM the process has to end, with all
 * that is left: sd-bus cannot free what it has half made (systemd 252).
 */
int guest_create(
	struct guest **ret, const struct guest_options *options, int connection, int pidfd);
void guest_destroy(struct guest *guest);

#endif
