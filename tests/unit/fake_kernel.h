/* The fake kernel's tables, for its own files. All of it is used with the lock of fake_gate.h. */
#ifndef TESTS_FAKE_KERNEL_H
#define TESTS_FAKE_KERNEL_H

#include <sys/types.h>

#include "fake_card.h"

struct fake_lessee {
	struct fake_card *card;
	uint32_t id;
	int peer;                      // our end; hangs up with the last copy of the other one
	struct card_objects objects;   // zeros: an empty or a revoked lease
	uint32_t shown;                // its CRTC, also when it is revoked
	uint64_t picture;              // what it drew there
	unsigned n_foreign;            // pictures of others on them, not yet counted as seen
	TAILQ_ENTRY(fake_lessee) link; // fake_card::lessees
};

struct fake_card {
	char device[64];
	char path[64]; // one more that leads to it, or ""
	char driver[32];
	struct card_snapshot topology;
	uint64_t crtc_picture[CARD_MAX_OBJECTS], plane_picture[CARD_MAX_OBJECTS]; // 0 = blank
	bool adopted[CARD_MAX_OBJECTS];
	bool lost[CARD_MAX_OBJECTS]; // with the file of its owner
	bool present;
	int master_peer;                                   // -1: not open
	ino_t master;                                      // the inode of the other end
	TAILQ_HEAD(fake_lessee_list, fake_lessee) lessees; // fake_lessee.link
	TAILQ_ENTRY(fake_card) link;                       // fake.cards
};

TAILQ_HEAD(fake_card_list, fake_card);

extern struct fake_kernel {
	struct fake_card_list cards; // fake_card.link
	uint64_t last_picture;
	unsigned n_seen, n_torn, n_adopted;
} fake_kernel;

struct fake_card *fake_find_device(const char *device);
/* The card that the daemon has open as `fd`. */
struct fake_card *fake_find_master(int fd);
bool fake_is_known(const struct card_snapshot *t, uint32_t object);
/* Gives the picture to CRTC and planes; 0 blanks. Returns how many showed another one. */
unsigned fake_show(struct fake_card *card, const struct card_objects *objects, uint64_t picture);
/* The place of a CRTC in the topology. */
unsigned fake_find_crtc(const struct fake_card *card, uint32_t crtc);

bool fake_has_hung_up(int fd);
/* The kernel notices a close at once; here it is noticed with the next call. */
void fake_reap(struct fake_card *card);
void fake_end_lessees(struct fake_card *card);
struct fake_lessee *fake_find_lessee(struct fake_card *card, uint32_t id);
/* Whether a lessee has the object. */
bool fake_is_leased(struct fake_card *card, uint32_t object);
/* The errno of CREATE_LEASE on these objects, negative, or 0. */
int fake_check_objects(struct fake_card *card, const struct card_objects *objects);
/* Returns the holder's end, or a negative errno. NULL: an empty lease. */
int fake_add_lessee(struct fake_card *card, const struct card_objects *objects, uint32_t *ret);

#endif
