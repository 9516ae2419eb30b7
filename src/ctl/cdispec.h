/* The description of scanouts for container engines, as the Container Device Interface has it. */
#ifndef SCANOUT_CTL_CDISPEC_H
#define SCANOUT_CTL_CDISPEC_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#define CDISPEC_KIND "scanoutd.org/scanout"
/* Whichever scanout is free, of the only card. */
#define CDISPEC_ANY "any"
/* Not a scanout, but what wlroots needs beside one where there is no GPU. */
#define CDISPEC_SOFTWARE "software"

/*
 * Makes the specification for the scanouts of scanout.h; `root` is the folder of their seats,
 * `preload` the path of libscanout-preload.so or NULL.
 * NULL without memory.
 */
cJSON *cdispec_create(const cJSON *scanouts, const char *root, const char *preload);

/* Whether a scanout can be given to a container at all. */
bool cdispec_offers(const cJSON *scanout);

#endif
