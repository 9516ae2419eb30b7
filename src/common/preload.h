/* Where libscanout-preload.so is. */
#ifndef SCANOUT_PRELOAD_H
#define SCANOUT_PRELOAD_H

#include <stddef.h>

/*
 * Beside the program that asks, as in a build or a folder that is mounted into containers, or where
 * 'make install' put it, seen from there. A path without links, for the caller to free, or NULL.
 */
char *preload_find(void);
/* The folders that were looked into, for a message. */
void preload_places(char *text, size_t size);

#endif
