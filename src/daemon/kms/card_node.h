/* The nodes of the cards, as they are found in /dev/dri: a part of card_drm_ops. */
#ifndef SCANOUTD_CARD_NODE_H
#define SCANOUTD_CARD_NODE_H

#include <stddef.h>

int card_node_enumerate(char (*ret)[64], size_t max);
int card_node_find(int fd, char (*ret)[64]);
int card_node_resolve(const char *path, char (*ret)[64]);
int card_node_driver(const char *device, char *ret, size_t size);

#endif
