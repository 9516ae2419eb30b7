/* The description of scanouts for container engines, as the Container Device Interface has it. */
#ifndef SCANOUT_CTL_CDISPEC_H
#define SCANOUT_CTL_CDISPEC_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#define CDISPEC_KIND "scanoutd.org/scanout"

/*
 * Makes the specification for the scanouts of scanout.h; `root` is the folder of their seats.
 * NULL without memory.
 */
cJSON *cdispec_create(const cJSON *scanouts, const char *root);

/* Whether a scanout can be given to a container at all. */
bool cdispec_offers(const cJSON *scanout);

#endif
