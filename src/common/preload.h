/* Where libscanout-preload.so is. */
#ifndef SCANOUT_PRELOAD_H
#define SCANOUT_PRELOAD_H

#include <stddef.h>

/*
 * Looks in the directory of the calling program, as in a build or a mounted directory, then where
 * 'make install' put the library, relative to the program. Returns a path without links, for the
 * caller to free, or NULL.
 */
char *preload_find(void);
/* The directories that preload_find() searches, for a message. */
void preload_places(char *text, size_t size);

#endif
