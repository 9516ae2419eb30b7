/* The connection to scanoutd: its guest socket, or the system bus. */
#ifndef SCANOUT_LIB_CONNECTION_H
#define SCANOUT_LIB_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define CONNECTION_GUEST_FOLDER "/run/scanoutd/guest"
#define CONNECTION_GUEST_SOCKET CONNECTION_GUEST_FOLDER "/bus"
/* What gives it to a container, for messages. */
#define CONNECTION_GUEST_MOUNT \
	"--mount type=bind,src=" CONNECTION_GUEST_FOLDER ",dst=" CONNECTION_GUEST_FOLDER ",ro"
/* How long scanoutd may take for a reply that waits for nothing. */
#define CONNECTION_ANSWER_USEC (10 * UINT64_C(1000000))

struct connection {
	sd_bus *bus;  // NULL: not connected
	bool is_peer; // guest socket: no bus names
	/* Called for a new connection, to add matches. The sender is NULL on a guest socket. */
	int (*opened)(void *data, sd_bus *bus, const char *sender);
	void *data;
};

/* Connects, if not connected. Returns 1 for a new connection, 0 for an existing one. */
int connection_open(struct connection *connection, sd_event *event);
void connection_close(struct connection *connection);
/* The destination of calls: NULL on a guest socket. */
const char *connection_name(const struct connection *connection);

/* Like sd_bus_call(), but -EINTR as soon as connection_is_interrupted(). */
int connection_call(struct connection *connection, sd_bus_message *message, uint64_t timeout_usec,
	sd_bus_error *error, sd_bus_message **ret);
/*
 * Whether a signal to exit is pending. Signals are blocked and wait for the event loop, which does
 * not run during a call.
 */
bool connection_is_interrupted(void);

/* Whether a call failed because scanoutd is not running, and not because it refused. */
bool connection_is_absent(int r, const sd_bus_error *error);
/* Prints what failed, where and why, and what to do. */
void connection_say_absent(const struct connection *connection, const char *what, int r);

#endif
