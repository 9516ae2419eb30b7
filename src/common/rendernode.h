/* The render node of a GPU: programs can draw by it, but not show anything. */
#ifndef SCANOUT_RENDERNODE_H
#define SCANOUT_RENDERNODE_H

#include <stdbool.h>

#define RENDERNODE_SIZE 64

/* Finds the path of the render node for the card with this path, even if the node is not in /dev.
 * -ENOENT if the card has none. */
int rendernode_find(const char *card, char path[RENDERNODE_SIZE]);

/*
 * Whether it can render. Returns 0 for a virtio-gpu without 3D, which programs try to use
 * nevertheless. Negative errno if it cannot be opened here.
 */
int rendernode_renders(const char *path);

/* Whether the card's GPU can render, as far as sysfs tells: only of a virtio-gpu it is known. */
bool rendernode_may_render(const char *card);

#endif
