/* What is leased as one: a connector, with the CRTC and planes that drive it while leased. */
#ifndef SCANOUTD_SCANOUT_H
#define SCANOUTD_SCANOUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/kms/kms.h"
#include "daemon/model/identity.h"

#define SCANOUT_LABEL_MAX 64

struct card;
struct lease;
struct linger;
struct picture_look;
struct scanout;

enum scanout_state {
	SCANOUT_FREE,
	SCANOUT_LEASED,
	SCANOUT_DRAINING, // the lease ended; it is being blanked, or lingers before that
	SCANOUT_STUCK,    // blanking fails or waits for a lock that somebody holds
	SCANOUT_EXCLUDED, // by Exclude=
	SCANOUT_ABSENT,   // the host has not connected it, and ForceConnect=no
};

/* Where it is on its way; drain.c alone changes that. */
enum scanout_phase {
	PHASE_FREE,
	PHASE_LEASED,
	PHASE_SAVING,   // leased; the worker makes its picture ours
	PHASE_SAVED,    // leased; that worked, and the request that claims it ends the lease
	PHASE_LOST,     // the same, without the picture
	PHASE_CHECKING, // the lease has ended; the worker looks once more
	PHASE_STANDING, // the picture stands, for a request that claims it or because it lingers
	PHASE_BLANKING, // the worker switches it off
	PHASE_HELD,     // to be blanked when the seat is back
	PHASE_LATE,     // the worker is still switching it off
	PHASE_FAILED,   // that failed, and is to be tried again
	PHASE_EXCLUDED,
	PHASE_ABSENT,
};

/* A request that waits for the picture of one scanout; each of the two knows the other. */
struct scanout_claim {
	struct scanout *scanout; // NULL: it waits for any
};

/* What a scanout tells whoever is above it. */
struct scanout_listener {
	/* Something that the bus announces. */
	void (*changed)(void *data, struct scanout *scanout);
	/* It is free, or stuck, or may be claimed: the queue may move. */
	void (*ready)(void *data, struct scanout *scanout);
	/* A call on the card failed that may work later. */
	void (*failed)(void *data, struct scanout *scanout);
	/* Its record in leases.json is another one now. */
	void (*recorded)(void *data, struct scanout *scanout);
};

struct scanout {
	char id[64]; // "card0-Virtual-3"
	struct card *card;
	uint32_t connector;
	unsigned index; // the host's head number, from 0

	enum scanout_phase phase;
	char reason[96]; // why it is stuck or drains for long; else empty
	uint64_t since;  // of its state, µs CLOCK_REALTIME
	bool excluded;   // by Exclude=, whatever it is now
	struct lease *lease;
	uint64_t generation;         // of its last lease; never used twice in a daemon's life
	struct card_objects objects; // of the lease, or being blanked
	struct card_mode mode;       // what it showed when last looked at
	struct card_mode preferred;  // that it is to have, see card_size_scanout()

	struct scanout_claim *claim; // of the request that gets it with its picture
	struct picture_look *look;   // that the worker takes, while somebody waits for it
	bool late_look;              // the worker still takes one that nobody waits for any more
	uint32_t framebuffer;        // ours, adopted by a look; dropped when blanked
	struct linger *linger;       // NULL: the last picture goes with the lease

	char last_label[SCANOUT_LABEL_MAX + 1];
	struct identity last_holder;
	uint64_t freed; // a counter: the least recently freed one is the best to reuse

	bool announce; // the observer's: a change that it has not told yet

	TAILQ_ENTRY(scanout) link; // card::scanouts
};

/* What is published of its phase. */
enum scanout_state scanout_state(const struct scanout *scanout);
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
