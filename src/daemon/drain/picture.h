/*
 * Keeping what a scanout shows beyond its lease: on the worker it becomes a framebuffer of ours on
 * the same memory, which the end of its owner does not remove.
 */
#ifndef SCANOUTD_PICTURE_H
#define SCANOUTD_PICTURE_H

#include <stdbool.h>

struct scanout;

/*
 * Begins a look at the picture; `ended` says whether the lease has. `done` is called at its end
 * with the same `ended` and 0 or a negative errno, or with -ETIMEDOUT if a modeset lock makes it
 * wait. In that case `late` is called at its end. Returns 0, or a negative errno if it cannot
 * begin: also while a late one is still under way.
 */
int picture_look(struct scanout *scanout, bool ended,
	void (*done)(struct scanout *scanout, bool ended, int result),
	void (*late)(struct scanout *scanout));

#endif
