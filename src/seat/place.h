/*
 * Where a seat that is served from outside a container is found, in the VM and in the container:
 * what scanout-seat serves, and what the description for container engines points to.
 */
#ifndef SCANOUT_SEAT_PLACE_H
#define SCANOUT_SEAT_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* One folder each below this one, mounted into the container as a whole. */
#define PLACE_ROOT "/run/scanoutd/seat"
#define PLACE_INSIDE "/run/scanout"

/* Names in it. The sockets' names are also how scanout-seat tells what to speak on them. */
#define PLACE_LOGIN1 "bus"
#define PLACE_SEATD "seatd.sock"
/* Hands out empty leases to libscanout-preload.so. */
#define PLACE_SPARE "spare"

/* Before a card's name in place of a scanout's id: whichever of the card is free. */
#define PLACE_ANY "any-"
#define PLACE_SEAT "seat0"

struct place {
	char folder[PATH_MAX];
	char session[65]; // as sd-login(3) wants it
	char card[64];    // path of the node
	dev_t devnum;
};

/* For a scanout's id, or PLACE_ANY and a card. -EINVAL if it cannot be one. */
int place_init(struct place *place, const char *root, const char *id);

/* Whether the id is that of any scanout of a card. */
bool place_is_any(const char *id);

/* Makes the folder and the files that are mounted over the container's; card and devnum are
 * given. Returns negative errno, with a sentence in problem. */
int place_write(const struct place *place, char *problem, size_t size);
/* Fills in the card, as place_write() left it or, without that, as the id tells. */
int place_read(struct place *place, const char *id);

#endif
