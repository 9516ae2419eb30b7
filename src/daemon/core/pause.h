/* The seat is disabled: another session has the cards, and we are not their DRM master. */
#ifndef SCANOUTD_PAUSE_H
#define SCANOUTD_PAUSE_H

struct manager;

/*
 * Leases are kept, but nothing can be leased, revoked or blanked. The kernel answers lessees with
 * EACCES until the end, also to the list of lessees.
 */
void pause_begin(struct manager *manager);

/*
 * What was left is done: leases that ended meanwhile, blanking, those who wait. What was free and
 * what lingered is blanked, since the other session may have drawn there.
 */
void pause_end(struct manager *manager);

#endif
