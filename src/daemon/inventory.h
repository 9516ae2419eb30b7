/* The cards in use: how one comes, changes and goes. */
#ifndef SCANOUTD_INVENTORY_H
#define SCANOUTD_INVENTORY_H

#include <stdbool.h>

struct manager;
struct card;

/*
 * Opens a card and lets its worker prepare it: outputs connected, everything blank, snapshot.
 * Its scanouts exist when that is done.
 * Returns 0, -ENXIO if it has no outputs, -ENODEV if its driver is still busy with it (its hotplug
 * events follow), -EBUSY if another process is master (logged with its name), or another negative
 * errno (logged).
 */
int inventory_add(struct manager *manager, const char *device);

struct passed;

/*
 * Takes up the cards that the last daemon left, with the leases on them: in systemd's fd store, or
 * handed over by itself. A negative errno: one of them cannot be had now, but later, and is still
 * where it was; 1: one that the configuration wants is of no use any more. Both are logged.
 */
int inventory_adopt(struct manager *manager, struct passed *passed);

/* Whether the configuration wants this card. */
bool inventory_wants(const struct manager *manager, const char *device);

/* Opens the cards that are there, wanted and not yet open. */
void inventory_look(struct manager *manager);

/* Connectors or modes changed: takes a new snapshot on the worker. */
void inventory_update(struct manager *manager, struct card *card);

/* The card is gone: ends its leases and forgets it. */
void inventory_remove(struct manager *manager, struct card *card);

#endif
