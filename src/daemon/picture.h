/*
 * Keeping what a scanout shows beyond its lease, for a takeover or to let it linger: on the worker
 * it becomes a framebuffer of ours on the same memory, which the end of its owner does not remove.
 */
#ifndef SCANOUTD_PICTURE_H
#define SCANOUTD_PICTURE_H

struct manager;
struct scanout;

/* While the lease lives: makes its picture ours. The queue is served when that is done. */
void picture_adopt(struct manager *manager, struct scanout *scanout);

/*
 * The lease has ended: looks again, since the holder may have shown another picture until then.
 * Then the picture stands, for who waits for it or for as long as it lingers, or is blanked.
 */
void picture_hand_over(struct manager *manager, struct scanout *scanout);

#endif
