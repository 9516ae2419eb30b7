/* The options of RequestScanout. */
#ifndef SCANOUTD_BUS_OPTIONS_H
#define SCANOUTD_BUS_OPTIONS_H

#include <systemd/sd-bus.h>

#include "daemon/model/refusal.h"
#include "daemon/model/wish.h"

/*
 * Reads the options, a{sv}, at the message's read position.
 * Returns 0 with a wish; 0 with a code in `refusal` if an option is unknown, of the wrong type or
 * out of range; a negative errno if the message itself is broken.
 */
int bus_options_read(sd_bus_message *message, struct wish *ret, struct refusal *refusal);

#endif
