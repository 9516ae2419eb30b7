/* Whether systemd's fd store has the cards, and what it costs if it has not. */
#ifndef SCANOUTD_STORE_H
#define SCANOUTD_STORE_H

#include <systemd/sd-bus.h>

struct manager;

/* Says so, once, if a restart would end the leases, and what to do about it. */
void store_check(sd_bus *bus, const struct manager *manager);

#endif
