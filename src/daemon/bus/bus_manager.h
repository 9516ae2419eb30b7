/* The interface org.scanoutd.Scanout1.Manager: argument checks and replies. No DRM, no rules. */
#ifndef SCANOUTD_BUS_MANAGER_H
#define SCANOUTD_BUS_MANAGER_H

#include "daemon/bus/peer.h"

/* Both interfaces and the object manager, on the peer's connection. */
int bus_manager_register(struct peer *peer);
/* Forgets the calls of this peer that have no answer yet. */
void bus_manager_drop_calls(struct peer *peer);
void bus_manager_emit_paused(struct peer *peer);
void bus_manager_emit_leased(struct peer *peer, const struct lease *lease);

#endif
