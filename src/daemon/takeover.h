/* A lease replaced by a new one of the same holder and label, with the picture standing. */
#ifndef SCANOUTD_TAKEOVER_H
#define SCANOUTD_TAKEOVER_H

struct lease;
struct manager;

/*
 * One step of the way. First the worker makes the picture ours, then the old lease ends, then the
 * worker looks again, since the old holder may have shown another one until then. Each step that
 * is over serves the queue, where the request for the new lease waits. A lessee that keeps the
 * worker waiting costs the picture: then the scanout is blanked as after any other lease.
 * A negative errno: the kernel does not revoke the old lease, which goes on.
 */
int takeover_advance(struct manager *manager, struct lease *old);

#endif
