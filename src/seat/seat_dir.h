/*
 * The directory of a seat that the VM serves to a container, with its paths in the VM and in the
 * container. scanout-seat serves its sockets; the description for container engines names it.
 */
#ifndef SCANOUT_SEAT_SEAT_DIR_H
#define SCANOUT_SEAT_SEAT_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Each seat has a directory below this one, which is mounted into the container as a whole. */
#define SEAT_DIR_ROOT "/run/scanoutd/seat"
#define SEAT_DIR_INSIDE "/run/scanout"

/* Names in it. The name of a socket also tells scanout-seat which protocol to speak. */
#define SEAT_DIR_LOGIN1 "bus"
#define SEAT_DIR_SEATD "seatd.sock"
/* Passes empty leases to libscanout-preload.so. */
#define SEAT_DIR_SPARE "spare"

/* With a card's name after it, instead of a scanout's id: any free scanout of the card. */
#define SEAT_DIR_ANY "any-"
#define SEAT_DIR_SEAT "seat0"

struct seat_dir {
	char folder[PATH_MAX];
	char session[65]; // as sd-login(3) wants it
	char card[64];    // path of the node
	dev_t devnum;
};

/* Takes a scanout's id, or SEAT_DIR_ANY and a card. -EINVAL if id is neither. */
int seat_dir_init(struct seat_dir *dir, const char *root, const char *id);

/* Whether the id stands for any scanout of a card. */
bool seat_dir_is_any(const char *id);

/* Makes the directory and the files that are mounted over those of the container. The caller has
 * set card and devnum. On failure returns negative errno, with a sentence in problem. */
int seat_dir_write(const struct seat_dir *dir, char *problem, size_t size);
/* Fills in card and devnum: as seat_dir_write() stored them, else by the id. */
int seat_dir_read(struct seat_dir *dir, const char *id);

#endif
