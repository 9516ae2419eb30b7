/* What is leased as one: a connector, with the CRTC and planes that drive it while leased. */
#ifndef SCANOUTD_SCANOUT_H
#define SCANOUTD_SCANOUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "card.h"
#include "identity.h"

#define SCANOUT_LABEL_MAX 64

struct lease;
struct linger;
struct picture_look;

enum scanout_state {
	SCANOUT_FREE,
	SCANOUT_LEASED,
	SCANOUT_DRAINING, // the lease ended; it is being blanked, or lingers before that
	SCANOUT_STUCK,    // blanking fails or waits for a lock that somebody holds
	SCANOUT_EXCLUDED, // by Exclude=
	SCANOUT_ABSENT,   // the host has not connected it, and ForceConnect=no
};

/* How far a picture is on its way to outlive its lease; see picture.h. */
enum scanout_picture {
	PICTURE_THEIRS,   // it goes with its holder
	PICTURE_ADOPTING, // the worker makes it ours
	PICTURE_ADOPTED,  // the lease may end
	PICTURE_FAILED,   // … and the picture with it
	PICTURE_CHECKING, // the lease has ended; the worker looks once more
	PICTURE_STANDS,   // for who has the last label and holder
};

struct scanout {
	char id[64]; // "card0-Virtual-3"
	struct card *card;
	uint32_t connector;
	unsigned index; // the host's head number, from 0

	enum scanout_state state;
	char reason[96]; // why it is stuck or drains for long; else empty
	uint64_t since;  // of this state, µs CLOCK_REALTIME
	struct lease *lease;
	uint64_t generation;         // of its last lease; never used twice in a daemon's life
	struct card_objects objects; // of the lease, or being blanked
	struct card_mode mode;       // what it showed when last looked at
	struct card_mode preferred;  // by the connector, as the host sizes it; zeros without a mode

	enum scanout_picture picture;
	struct picture_look *look; // that the worker takes, while somebody waits for it
	bool late_look;            // the worker still takes one that nobody waits for any more
	uint32_t framebuffer;      // ours, adopted by a look; dropped when blanked
	struct linger *linger;     // NULL: the last picture goes with the lease

	char last_label[SCANOUT_LABEL_MAX + 1];
	struct identity last_holder;
	uint64_t freed; // a counter: the least recently freed one is the best to reuse

	bool unblanked; // blanking failed and is to be tried again
	bool held;      // its blanking waits for the seat
	bool announce;  // the observer's: a change that it has not told yet

	TAILQ_ENTRY(scanout) link; // card::scanouts
};

const char *scanout_state_name(enum scanout_state state);

/* Whether the objects are in somebody's hands or not yet blanked. */
bool scanout_is_taken(const struct scanout *scanout);

/*
 * Which of two free scanouts suits a request with this label (NULL: none) better: the one that
 * had the label last; else one that no label was on; else the one that is free for longer.
 * Pure. Returns whether `a` is better than `b`.
 */
bool scanout_suits_better(const struct scanout *a, const struct scanout *b, const char *label);

#endif
