#include "daemon/kms/alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BIT(i) (UINT32_C(1) << (i))

/*
 * A maximum flow connector -> CRTC -> primary plane, each used once, by augmenting paths. What
 * one search has seen without success cannot succeed later in the same search.
 */
struct matching {
	const struct card_snapshot *snapshot;
	uint32_t crtcs, planes;                  // those that may be used
	int connector_of_crtc[CARD_MAX_OBJECTS]; // -1 = free
	int crtc_of_plane[CARD_MAX_OBJECTS];     // -1 = free
	uint32_t seen_crtcs, seen_planes;
};

static bool find_crtc(struct matching *m, unsigned connector);

/* Moves the CRTC's connector to another CRTC, so that this one needs no plane any more. */
static bool vacate(struct matching *m, unsigned crtc) {
	if (m->seen_crtcs & BIT(crtc)) {
		return false;
	}
	m->seen_crtcs |= BIT(crtc);
	if (!find_crtc(m, (unsigned)m->connector_of_crtc[crtc])) {
		return false;
	}
	m->connector_of_crtc[crtc] = -1;
	return true;
}

static bool find_plane(struct matching *m, unsigned crtc) {
	for (unsigned p = 0; p < m->snapshot->n_planes; p++) {
		const struct card_plane *plane = &m->snapshot->planes[p];
		if (!(m->planes & BIT(p)) || (m->seen_planes & BIT(p)) ||
			plane->type != CARD_PLANE_PRIMARY || !(plane->possible_crtcs & BIT(crtc))) {
			continue;
		}
		m->seen_planes |= BIT(p);
		int owner = m->crtc_of_plane[p];
		if (owner < 0 || find_plane(m, (unsigned)owner) || vacate(m, (unsigned)owner)) {
			m->crtc_of_plane[p] = (int)crtc;
			return true;
		}
	}
	return false;
}

static bool find_crtc(struct matching *m, unsigned connector) {
	uint32_t possible = m->snapshot->connectors[connector].possible_crtcs & m->crtcs;
	for (unsigned c = 0; c < m->snapshot->n_crtcs; c++) {
		if (!(possible & BIT(c)) || (m->seen_crtcs & BIT(c))) {
			continue;
		}
		m->seen_crtcs |= BIT(c);
		int owner = m->connector_of_crtc[c];
		if (owner < 0 ? find_plane(m, c) : find_crtc(m, (unsigned)owner)) {
			m->connector_of_crtc[c] = (int)connector;
			return true;
		}
	}
	return false;
}

/* How many of the connectors can be driven at once with these CRTCs and planes. */
static unsigned capacity(const struct card_snapshot *snapshot, const struct alloc_taken *taken) {
	struct matching m = {
		.snapshot = snapshot,
		.crtcs = ~taken->crtcs,
		.planes = ~taken->planes,
	};
	unsigned n = 0;
	memset(m.connector_of_crtc, -1, sizeof(m.connector_of_crtc));
	memset(m.crtc_of_plane, -1, sizeof(m.crtc_of_plane));
	for (unsigned i = 0; i < snapshot->n_connectors; i++) {
		if (!(taken->connectors & BIT(i))) {
			m.seen_crtcs = m.seen_planes = 0;
			n += find_crtc(&m, i);
		}
	}
	return n;
}

static bool plane_is_free(const struct card_snapshot *snapshot, const struct alloc_taken *taken,
	unsigned plane, enum card_plane_type type, unsigned crtc) {
	return !(taken->planes & BIT(plane)) && snapshot->planes[plane].type == type &&
	       (snapshot->planes[plane].possible_crtcs & BIT(crtc));
}

/* The free cursor plane that the fewest CRTCs could use, or -1. */
static int pick_cursor(
	const struct card_snapshot *snapshot, const struct alloc_taken *taken, unsigned crtc) {
	int best = -1, best_uses = CARD_MAX_OBJECTS + 1;
	for (unsigned p = 0; p < snapshot->n_planes; p++) {
		int uses = __builtin_popcount(snapshot->planes[p].possible_crtcs);
		if (plane_is_free(snapshot, taken, p, CARD_PLANE_CURSOR, crtc) &&
			uses < best_uses) {
			best = (int)p;
			best_uses = uses;
		}
	}
	return best;
}

static void collect(const struct card_snapshot *snapshot, const struct alloc_taken *taken,
	unsigned index, unsigned crtc, unsigned primary, struct card_objects *ret) {
	*ret = (struct card_objects){
		.connector = snapshot->connectors[index].id,
		.crtc = snapshot->crtcs[crtc],
		.planes = {snapshot->planes[primary].id},
		.n_planes = 1,
	};
	int cursor = pick_cursor(snapshot, taken, crtc);
	if (cursor >= 0) {
		ret->planes[ret->n_planes++] = snapshot->planes[cursor].id;
	}
	for (unsigned p = 0; p < snapshot->n_planes; p++) {
		if (plane_is_free(snapshot, taken, p, CARD_PLANE_OVERLAY, crtc) &&
			snapshot->planes[p].possible_crtcs == BIT(crtc)) {
			ret->planes[ret->n_planes++] = snapshot->planes[p].id;
		}
	}
}

struct candidate {
	unsigned crtc, primary;
};

static unsigned list_candidates(const struct card_snapshot *snapshot,
	const struct alloc_taken *taken, unsigned index, struct candidate *ret) {
	unsigned n = 0;
	for (unsigned c = 0; c < snapshot->n_crtcs; c++) {
		if (!(snapshot->connectors[index].possible_crtcs & BIT(c)) ||
			(taken->crtcs & BIT(c))) {
			continue;
		}
		for (unsigned p = 0; p < snapshot->n_planes; p++) {
			if (plane_is_free(snapshot, taken, p, CARD_PLANE_PRIMARY, c)) {
				ret[n++] = (struct candidate){.crtc = c, .primary = p};
			}
		}
	}
	return n;
}

int alloc_pick(const struct card_snapshot *snapshot, const struct alloc_taken *taken,
	unsigned index, struct card_objects *ret) {
	struct candidate candidates[CARD_MAX_OBJECTS * CARD_MAX_OBJECTS];
	unsigned n = list_candidates(snapshot, taken, index, candidates);
	unsigned best = 0, best_score = 0;

	if (n == 0) {
		return -ENOSPC;
	}
	for (unsigned i = 0; n > 1 && i < n; i++) {
		struct alloc_taken after = *taken;
		after.connectors |= BIT(index);
		after.crtcs |= BIT(candidates[i].crtc);
		after.planes |= BIT(candidates[i].primary);
		/* Staying on the CRTC that shows the connector now only breaks ties. */
		unsigned stays = snapshot->crtcs[candidates[i].crtc] ==
				 snapshot->connectors[index].current_crtc;
		unsigned score = 1 + 2 * capacity(snapshot, &after) + stays;
		if (score > best_score) {
			best_score = score;
			best = i;
		}
	}
	collect(snapshot, taken, index, candidates[best].crtc, candidates[best].primary, ret);
	return 0;
}

void alloc_take(const struct card_snapshot *snapshot, const struct card_objects *objects,
	struct alloc_taken *taken) {
	for (unsigned i = 0; i < snapshot->n_connectors; i++) {
		taken->connectors |= snapshot->connectors[i].id == objects->connector ? BIT(i) : 0;
	}
	for (unsigned i = 0; i < snapshot->n_crtcs; i++) {
		taken->crtcs |= snapshot->crtcs[i] == objects->crtc ? BIT(i) : 0;
	}
	for (unsigned i = 0; i < snapshot->n_planes; i++) {
		for (unsigned k = 0; k < objects->n_planes; k++) {
			taken->planes |= snapshot->planes[i].id == objects->planes[k] ? BIT(i) : 0;
		}
	}
}
