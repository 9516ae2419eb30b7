#include "link/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link/address.h"

/* A scanout. */
struct place {
	struct tenant tenant;     // without one: `scanout`, `device` and `head`
	uint64_t generation;      // of the tenant's lease; 0: there is none
	bool is_seen;             // set as it is added; cleared as a new list begins
	TAILQ_ENTRY(place) entry; // roster.places
};

void roster_init(struct roster *roster) {
	TAILQ_INIT(&roster->places);
	roster->n_places = 0;
}

static struct place *find(struct roster *roster, const char *scanout) {
	struct place *place;
	TAILQ_FOREACH (place, &roster->places, entry) {
		if (strcmp(place->tenant.scanout, scanout) == 0) {
			return place;
		}
	}
	return NULL;
}

static void end(struct roster *roster, struct place *place, const char *reason) {
	if (place->generation != 0) {
		place->generation = 0;
		roster->ended(roster->data, place->tenant.scanout, reason);
	}
}

static void destroy(struct roster *roster, struct place *place) {
	TAILQ_REMOVE(&roster->places, place, entry);
	roster->n_places--;
	free(place);
}

void roster_finish(struct roster *roster) {
	while (!TAILQ_EMPTY(&roster->places)) {
		destroy(roster, TAILQ_FIRST(&roster->places));
	}
}

static bool is_same(const struct tenant *a, const struct tenant *b) {
	return strcmp(a->label, b->label) == 0 && strcmp(a->container, b->container) == 0 &&
	       a->width == b->width && a->height == b->height;
}

/* A lease that ended unheard, while scanoutd was away, has no reason. */
static void update(struct roster *roster, struct place *place, const struct reading *reading) {
	struct tenant *tenant = &place->tenant;
	const struct tenant *now = &reading->tenant;
	if (!reading->has_state) {
		return;
	}
	if (!reading->is_leased || reading->generation != place->generation) {
		end(roster, place, "");
	}
	if (!reading->is_leased || (place->generation != 0 && is_same(tenant, now))) {
		return;
	}
	place->generation = reading->generation;
	memcpy(tenant->label, now->label, sizeof(tenant->label));
	memcpy(tenant->container, now->container, sizeof(tenant->container));
	tenant->width = now->width;
	tenant->height = now->height;
	roster->granted(roster->data, tenant);
}

int roster_add(struct roster *roster, const char *scanout, const struct reading *reading) {
	struct place *place = find(roster, scanout);
	if (!place) {
		if (roster->n_places == ROSTER_MAX ||
			strlen(scanout) >= sizeof(place->tenant.scanout)) {
			return -EXFULL;
		}
		place = calloc(1, sizeof(*place));
		if (!place) {
			return -ENOMEM;
		}
		strcpy(place->tenant.scanout, scanout);
		address_of_card(reading->card, place->tenant.device, sizeof(place->tenant.device));
		place->tenant.head = reading->tenant.head;
		TAILQ_INSERT_TAIL(&roster->places, place, entry);
		roster->n_places++;
	}
	place->is_seen = true;
	update(roster, place, reading);
	return 0;
}

void roster_change(struct roster *roster, const char *scanout, const struct reading *reading) {
	struct place *place = find(roster, scanout);
	if (place) {
		update(roster, place, reading);
	}
}

void roster_end(struct roster *roster, const char *scanout, const char *reason) {
	struct place *place = find(roster, scanout);
	if (place) {
		end(roster, place, reason);
	}
}

void roster_remove(struct roster *roster, const char *scanout) {
	struct place *place = find(roster, scanout);
	if (place) {
		end(roster, place, "");
		destroy(roster, place);
	}
}

void roster_begin(struct roster *roster) {
	struct place *place;
	TAILQ_FOREACH (place, &roster->places, entry) {
		place->is_seen = false;
	}
}

void roster_complete(struct roster *roster) {
	struct place *place, *next;
	for (place = TAILQ_FIRST(&roster->places); place; place = next) {
		next = TAILQ_NEXT(place, entry);
		if (!place->is_seen) {
			end(roster, place, "");
			destroy(roster, place);
		}
	}
}

void roster_repeat(struct roster *roster) {
	const struct place *place;
	TAILQ_FOREACH (place, &roster->places, entry) {
		if (place->generation != 0) {
			roster->granted(roster->data, &place->tenant);
		}
	}
}
