/* The node of a GPU on which programs render, but cannot show anything. */
#ifndef SCANOUT_CTL_RENDERNODE_H
#define SCANOUT_CTL_RENDERNODE_H

#define RENDERNODE_SIZE 64

/*
 * Finds the render node of the card with this path. -ENOENT if it has none, -ENOTSUP if it has one
 * that renders nothing, as a virtio GPU without 3D does: programs that are given it try to use it.
 */
int rendernode_find(const char *card, char path[RENDERNODE_SIZE]);

#endif
