/* Who keeps a card busy: the name for the error message. */
#ifndef SCANOUTD_CARD_HOLDER_H
#define SCANOUTD_CARD_HOLDER_H

#include <stddef.h>

/* Writes "NAME (pid N)" of the card's DRM master. The kernel tells it in debugfs; where that cannot
 * be read, writes how to find out. */
void card_holder_describe(const char *device, char *ret, size_t size);

/*
 * Reads a line of the kernel's list of who has the card open, whose command may have spaces.
 * Returns the pid of the DRM master; 0 if the line is of somebody else.
 */
int card_holder_parse(const char *line, char ret_name[21]);

#endif
