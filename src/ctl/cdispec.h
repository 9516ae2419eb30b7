/* The description of scanouts for container engines, by the Container Device Interface. */
#ifndef SCANOUT_CTL_CDISPEC_H
#define SCANOUT_CTL_CDISPEC_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#define CDISPEC_KIND "scanoutd.org/scanout"
/* Any free scanout of the only card. */
#define CDISPEC_ANY "any"
/* Not a scanout: what wlroots needs in addition where there is no GPU. */
#define CDISPEC_SOFTWARE "software"
/* With a card's name after it. Not a scanout: a node that can be opened, which KWin 6 needs. */
#define CDISPEC_OPEN "open-"

/*
 * Makes the specification for the scanouts of scanout.h. `root` is the directory of their seats,
 * `preload` the path of libscanout-preload.so or NULL. Returns NULL without memory.
 */
cJSON *cdispec_create(const cJSON *scanouts, const char *root, const char *preload);

/* Whether a container can get this scanout: it is not excluded. */
bool cdispec_offers(const cJSON *scanout);

#endif
