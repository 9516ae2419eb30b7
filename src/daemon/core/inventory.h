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
 * Takes the cards that the previous daemon left in systemd's fd store, with the leases on them.
 * Returns 0, or a negative errno (logged) if one of them cannot be used just now: systemd still
 * has it.
 */
int inventory_adopt(struct manager *manager, struct passed *passed);

/* Opens the cards that are there, wanted and not yet open. */
void inventory_look(struct manager *manager);

/* Connectors or modes changed: takes a new snapshot on the worker. */
void inventory_update(struct manager *manager, struct card *card);
/* The same for all cards: the configuration changed. */
void inventory_update_all(struct manager *manager);

/* The card is gone: ends its leases and forgets it. */
void inventory_remove(struct manager *manager, struct card *card);

#endif
