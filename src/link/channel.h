/* The way to scanoutd: its guest socket, or the system bus. */
#ifndef SCANOUT_LINK_CHANNEL_H
#define SCANOUT_LINK_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define CHANNEL_GUEST_FOLDER "/run/scanoutd/guest"
#define CHANNEL_GUEST_SOCKET CHANNEL_GUEST_FOLDER "/bus"
/* How long scanoutd may take for what it does at once. */
#define CHANNEL_ANSWER_USEC (10 * UINT64_C(1000000))

struct channel {
	sd_bus *bus;  // NULL: not connected
	bool is_peer; // guest socket: no bus names
	/* A new connection: the place to add matches. The sender is NULL on a guest socket. */
	int (*opened)(void *data, sd_bus *bus, const char *sender);
	void *data;
};

/* Connects unless it is connected. Returns 1 if it did, 0 if it was. */
int channel_open(struct channel *channel, sd_event *event);
void channel_close(struct channel *channel);
/* The destination of calls: NULL on a guest socket. */
const char *channel_name(const struct channel *channel);

/* Like sd_bus_call(), but -EINTR as soon as channel_is_interrupted(). */
int channel_call(struct channel *channel, sd_bus_message *message, uint64_t timeout_usec,
	sd_bus_error *error, sd_bus_message **ret);
/*
 * Whether a signal that ends programs is pending. Signals are blocked and wait for the event loop,
 * which does not run during a call.
 */
bool channel_is_interrupted(void);

/* Whether a call failed since scanoutd is not there, as opposed to there and unwilling. */
bool channel_is_absent(int r, const sd_bus_error *error);
/* Says what, where and why, and what to do about it. */
void channel_say_absent(const struct channel *channel, const char *what, int r);

#endif
