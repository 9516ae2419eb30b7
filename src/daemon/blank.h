/* Blanking a scanout whose lease ended: on the worker, then it is free. */
#ifndef SCANOUTD_BLANK_H
#define SCANOUTD_BLANK_H

struct manager;
struct scanout;

/*
 * Blanks the scanout, which is draining from now on. It becomes free when nothing is shown any
 * more; if that takes too long, or fails, it is stuck, and free once it did work after all.
 */
void blank_scanout(struct manager *manager, struct scanout *scanout);
/* Tries again what failed. */
void blank_again(struct manager *manager, struct scanout *scanout);

#endif
