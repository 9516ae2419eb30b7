/*
 * All scanouts, and who has them: from what scanoutd tells it makes what the host is to hear, in
 * the same order.
 */
#ifndef SCANOUT_LINK_ROSTER_H
#define SCANOUT_LINK_ROSTER_H

#include <sys/queue.h>

#include "link/reading.h"

#define ROSTER_MAX 256 // scanouts; more are not told to the host

struct place;

struct roster {
	TAILQ_HEAD(place_list, place) places; // place.entry
	unsigned n_places;
	/* A scanout has this tenant now, perhaps with another size than before. */
	void (*granted)(void *data, const struct tenant *tenant);
	void (*ended)(void *data, const char *scanout, const char *reason);
	void *data;
};

/* With the callbacks set. */
void roster_init(struct roster *roster);
void roster_finish(struct roster *roster);

/* A scanout is there, and is like that. */
int roster_add(struct roster *roster, const char *scanout, const struct reading *reading);
/* Something of a scanout has changed. */
void roster_change(struct roster *roster, const char *scanout, const struct reading *reading);
/* Its lease has ended. */
void roster_end(struct roster *roster, const char *scanout, const char *reason);
void roster_remove(struct roster *roster, const char *scanout);

/* What is not added between these two is no more. */
void roster_begin(struct roster *roster);
void roster_complete(struct roster *roster);

/* Calls granted() for each tenant again. */
void roster_repeat(struct roster *roster);

#endif
