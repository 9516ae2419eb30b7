/* The interface org.scanoutd.Scanout1.Scanout. */
#ifndef SCANOUTD_BUS_SCANOUT_H
#define SCANOUTD_BUS_SCANOUT_H

#include "daemon/bus/peer.h"

int bus_scanout_register(struct peer *peer);
/* The object path; the caller frees it. */
int bus_scanout_path(const struct scanout *scanout, char **ret);
/* Appends a scanout as a{sv}, for ListScanouts. */
int bus_scanout_append(sd_bus_message *message, const struct scanout *scanout);
/* Appends an entry of an a{sv}: the planes' ids. */
int bus_append_planes(sd_bus_message *message, const char *key, const struct card_objects *objects);
void bus_scanout_emit_changed(struct peer *peer, const struct scanout *scanout);

#endif
