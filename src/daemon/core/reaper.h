/* Ends that nobody asked for: the kernel's list of lessees, uevents, cards that go away. */
#ifndef SCANOUTD_REAPER_H
#define SCANOUTD_REAPER_H

#include <stdint.h>

struct card;
struct manager;

/*
 * Compares the table with the kernel's list of lessees and ends the leases that it does not show
 * any more. Takes no modeset lock. Must run before every create and every revoke: the kernel
 * reuses lessee ids. Returns 0 or a negative errno: then nothing may be created or revoked.
 */
int reaper_reconcile(struct manager *manager, struct card *card);

#endif
