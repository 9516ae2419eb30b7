/* The properties of a scanout, as a message of scanoutd's has all or some of them. */
#ifndef SCANOUT_LINK_READING_H
#define SCANOUT_LINK_READING_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "wire/message.h"

struct reading {
	bool has_state; // the message told the state, and so whether it is leased
	bool is_leased;
	uint64_t generation;
	char card[64]; // "/dev/dri/card0"; empty if it was not told
	/* What is told of a tenant, but `scanout` and `device`. Only with a card: `head`. */
	struct tenant tenant;
};

/* Reads the a{sv} at the read position. Unknown properties are passed over. */
int reading_read(sd_bus_message *message, struct reading *ret);

#endif
