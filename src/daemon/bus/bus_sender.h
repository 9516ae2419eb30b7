/* Who sent a message over the system bus. */
#ifndef SCANOUTD_BUS_SENDER_H
#define SCANOUTD_BUS_SENDER_H

#include <systemd/sd-bus.h>

#include "daemon/model/identity.h"

/*
 * Asks the bus, and waits for its answer, and reads the container from the sender's cgroup.
 * Returns 0, or a negative errno if the sender is gone or cannot be named: then it must be
 * refused.
 */
int bus_sender_identify(sd_bus_message *message, struct identity *ret);

#endif
