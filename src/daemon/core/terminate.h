/* The one path on which a lease ends, for itself or for another that takes its place. */
#ifndef SCANOUTD_TERMINATE_H
#define SCANOUTD_TERMINATE_H

#include "daemon/model/lease.h"

struct manager;

/*
 * Revokes what the kernel still has, takes the lease out of the table, sends its scanout to be
 * blanked, and tells. Returns 0, or a negative errno if the kernel does not revoke: then the lease
 * goes on.
 */
int lease_terminate(struct manager *manager, struct lease *lease, enum lease_end_reason reason);

/*
 * One step of a takeover, in which a new lease of the same holder and label begins on the picture
 * of the old one. First the worker makes the picture ours. The next step, when the queue is served
 * again, ends the old lease. A lessee that keeps the worker waiting costs the picture: then the
 * scanout is blanked as after any other lease. A negative errno: the kernel does not revoke the old
 * lease, which goes on.
 */
int lease_take_over(struct manager *manager, struct lease *old);

#endif
