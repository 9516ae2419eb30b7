/* What the leased scanouts show at this moment: no event tells of a lessee's mode-set. */
#ifndef SCANOUTD_MODES_H
#define SCANOUTD_MODES_H

struct manager;

/*
 * Reads the modes of all leased scanouts on the workers and then calls `done`, at the latest
 * after 30 ms: what hangs behind a lock keeps its last known mode. `done` may be called at once.
 */
void modes_refresh(struct manager *manager, void (*done)(void *data), void *data);

#endif
