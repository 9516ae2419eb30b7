/* Who keeps a card busy: the name for the error message. */
#ifndef SCANOUTD_CARD_HOLDER_H
#define SCANOUTD_CARD_HOLDER_H

#include <stddef.h>

/*
 * Writes "NAME (pid N)" of the card's DRM master. The kernel tells it in debugfs; where that is
 * not readable, all processes that have the card open are listed instead.
 */
void card_holder_describe(const char *device, char *ret, size_t size);

#endif
