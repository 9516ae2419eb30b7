/* Which dialect of the seatd protocol this image's libseat speaks. */
#ifndef SCANOUT_RUN_LIBSEAT_H
#define SCANOUT_RUN_LIBSEAT_H

#include "run/tempdir.h"
#include "seat/seatd.h"

/*
 * Tests the library in a separate process, over a socket in the directory. Unknown if the dynamic
 * loader finds no libseat, or it behaves like neither dialect.
 */
enum seatd_dialect libseat_probe(const struct tempdir *dir);

#endif
