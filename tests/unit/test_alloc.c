/*
 * The choice of CRTC and planes: on known topologies by name, on small random ones against a
 * search through all possibilities.
 */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/kms/alloc.h"
#include "fake_topology.h"

#define BIT(i) (UINT32_C(1) << (i))
#define SEED UINT32_C(20240611)
#define ROUNDS 60000

/* Grants the connector at `index`; returns whether it could be served. */
static bool grant(const struct card_snapshot *s, struct alloc_taken *taken, unsigned index,
	struct card_objects *ret) {
	memset(ret, 0, sizeof(*ret));
	int r = alloc_pick(s, taken, index, ret);
	if (r < 0) {
		assert_int_equal(r, -ENOSPC);
		return false;
	}
	alloc_take(s, ret, taken);
	return true;
}

static int find_plane(const struct card_snapshot *s, uint32_t id) {
	for (unsigned i = 0; i < s->n_planes; i++) {
		if (s->planes[i].id == id) {
			return (int)i;
		}
	}
	fail_msg("plane %u is not of this card", id);
	return -1;
}

/* What the kernel would accept and a compositor can use. */
static void assert_valid(const struct card_snapshot *s, const struct alloc_taken *before,
	unsigned index, const struct card_objects *objects) {
	unsigned c = 0;
	assert_int_equal(objects->connector, s->connectors[index].id);
	while (c < s->n_crtcs && s->crtcs[c] != objects->crtc) {
		c++;
	}
	assert_true(c < s->n_crtcs);
	assert_true(s->connectors[index].possible_crtcs & BIT(c));
	assert_false(before->crtcs & BIT(c));
	assert_true(objects->n_planes >= 1);
	for (unsigned i = 0; i < objects->n_planes; i++) {
		int p = find_plane(s, objects->planes[i]);
		assert_true(s->planes[p].possible_crtcs & BIT(c));
		assert_false(before->planes & BIT(p));
		/* The primary plane comes first, and there is no other. */
		assert_int_equal(s->planes[p].type == CARD_PLANE_PRIMARY, i == 0);
		for (unsigned k = 0; k < i; k++) {
			assert_int_not_equal(objects->planes[k], objects->planes[i]);
		}
	}
}

/* How many connectors from `index` on can be served at once: all possibilities, one by one. */
static unsigned maximum(
	const struct card_snapshot *s, unsigned index, uint32_t crtcs, uint32_t planes) {
	if (index == s->n_connectors) {
		return 0;
	}
	unsigned best = maximum(s, index + 1, crtcs, planes);
	for (unsigned c = 0; c < s->n_crtcs; c++) {
		for (unsigned p = 0; p < s->n_planes; p++) {
			if ((s->connectors[index].possible_crtcs & BIT(c)) && !(crtcs & BIT(c)) &&
				s->planes[p].type == CARD_PLANE_PRIMARY && !(planes & BIT(p)) &&
				(s->planes[p].possible_crtcs & BIT(c))) {
				unsigned n =
					1 + maximum(s, index + 1, crtcs | BIT(c), planes | BIT(p));
				best = n > best ? n : best;
			}
		}
	}
	return best;
}

static uint32_t next_random(uint32_t *seed) {
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static struct card_snapshot random_topology(uint32_t *seed) {
	struct card_snapshot s = {0};
	unsigned crtcs = 1 + next_random(seed) % 4, connectors = 1 + next_random(seed) % 4;
	unsigned planes = 1 + next_random(seed) % 6;
	for (unsigned i = 0; i < crtcs; i++) {
		fake_add_crtc(&s);
	}
	for (unsigned i = 0; i < connectors; i++) {
		fake_add_connector(&s, next_random(seed) % BIT(crtcs));
	}
	for (unsigned i = 0; i < planes; i++) {
		enum card_plane_type type =
			next_random(seed) % 3 ? CARD_PLANE_PRIMARY : next_random(seed) % 3;
		fake_add_plane(&s, type, next_random(seed) % BIT(crtcs));
	}
	for (unsigned i = 0; i < connectors; i++) {
		unsigned c = next_random(seed) % (crtcs + 1);
		s.connectors[i].current_crtc = c < crtcs ? s.crtcs[c] : 0;
	}
	return s;
}

static void shuffle(unsigned *order, unsigned n, uint32_t *seed) {
	for (unsigned i = 0; i < n; i++) {
		order[i] = i;
	}
	for (unsigned i = n; i > 1; i--) {
		unsigned k = next_random(seed) % i, last = order[i - 1];
		order[i - 1] = order[k];
		order[k] = last;
	}
}

/* In whatever order connectors are asked for, as many get one as possible at all. */
static void random_topologies_serve_the_maximum(void **state) {
	uint32_t seed = SEED;
	print_message("seed %u\n", seed);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct card_snapshot s = random_topology(&seed);
		struct alloc_taken taken = {0};
		struct card_objects objects;
		unsigned order[CARD_MAX_OBJECTS], n = 0;
		shuffle(order, s.n_connectors, &seed);
		for (unsigned i = 0; i < s.n_connectors; i++) {
			struct alloc_taken before = taken;
			if (grant(&s, &taken, order[i], &objects)) {
				assert_valid(&s, &before, order[i], &objects);
				n++;
			}
		}
		unsigned best = maximum(&s, 0, 0, 0);
		if (n != best) {
			fail_msg("round %u: %u instead of %u connectors served", round, n, best);
		}
	}
}

static unsigned grant_all(const struct card_snapshot *s) {
	struct alloc_taken taken = {0};
	struct card_objects objects;
	unsigned n = 0;
	for (unsigned i = 0; i < s->n_connectors; i++) {
		struct alloc_taken before = taken;
		if (grant(s, &taken, i, &objects)) {
			assert_valid(s, &before, i, &objects);
			n++;
		}
	}
	return n;
}

/* Head i gets its own CRTC, primary and cursor plane, whatever was asked for before. */
static void virtio_has_one_answer(void **state) {
	struct card_snapshot s = fake_topology_virtio(16);
	struct alloc_taken taken = {0};
	for (unsigned k = 0; k < 16; k++) {
		unsigned i = (k * 7) % 16;
		struct card_objects objects;
		assert_true(grant(&s, &taken, i, &objects));
		assert_int_equal(objects.connector, FAKE_CONNECTOR(i));
		assert_int_equal(objects.crtc, FAKE_CRTC(i));
		assert_int_equal(objects.n_planes, 2);
		assert_int_equal(objects.planes[0], FAKE_PLANE(2 * i));
		assert_int_equal(objects.planes[1], FAKE_PLANE(2 * i + 1));
		assert_false(grant(&s, &taken, i, &objects));
	}
}

static void known_topologies(void **state) {
	struct card_snapshot s = fake_topology_no_cursor(16);
	assert_int_equal(grant_all(&s), 16);
	s = fake_topology_floating_crtcs(6, 3);
	assert_int_equal(grant_all(&s), 3);
	s = fake_topology_floating_crtcs(3, 6);
	assert_int_equal(grant_all(&s), 3);
	s = fake_topology_shared_planes(4, 4, 2);
	assert_int_equal(grant_all(&s), 2);
	s = fake_topology_shared_planes(4, 2, 6);
	assert_int_equal(grant_all(&s), 2);
	s = fake_topology_no_cursor(0);
	assert_int_equal(grant_all(&s), 0);
}

/* The mask's last bit: 1 << 31. */
static void thirty_two_of_everything(void **state) {
	struct card_snapshot s = fake_topology_no_cursor(32);
	assert_int_equal(grant_all(&s), 32);
	s = fake_topology_floating_crtcs(32, 32);
	assert_int_equal(grant_all(&s), 32);
}

/* The first connector can use both CRTCs, the second only one: it must be left for it. */
static void picky_connectors_keep_their_crtc(void **state) {
	struct card_snapshot s = fake_topology_floating_crtcs(2, 2);
	struct alloc_taken taken = {0};
	struct card_objects objects;
	s.connectors[1].possible_crtcs = BIT(0);
	s.connectors[0].current_crtc = s.crtcs[0]; // staying there would be the mistake
	assert_true(grant(&s, &taken, 0, &objects));
	assert_int_equal(objects.crtc, FAKE_CRTC(1));
	assert_true(grant(&s, &taken, 1, &objects));
	assert_int_equal(objects.crtc, FAKE_CRTC(0));
}

static void ties_stay_on_the_crtc(void **state) {
	struct card_snapshot s = fake_topology_floating_crtcs(2, 4);
	struct alloc_taken taken = {0};
	struct card_objects objects;
	s.connectors[0].current_crtc = s.crtcs[2];
	assert_true(grant(&s, &taken, 0, &objects));
	assert_int_equal(objects.crtc, FAKE_CRTC(2));
}

/* Shared overlay planes are left to whoever leases later; exclusive ones go along. */
static void overlays_only_if_nobody_else_can_use_them(void **state) {
	struct card_snapshot s = fake_topology_virtio(2);
	struct alloc_taken taken = {0};
	struct card_objects objects;
	fake_add_plane(&s, CARD_PLANE_OVERLAY, BIT(0) | BIT(1));
	fake_add_plane(&s, CARD_PLANE_OVERLAY, BIT(0));
	assert_true(grant(&s, &taken, 0, &objects));
	assert_int_equal(objects.n_planes, 3);
	assert_int_equal(objects.planes[2], FAKE_PLANE(5));
	assert_true(grant(&s, &taken, 1, &objects));
	assert_int_equal(objects.n_planes, 2);
}

/* One cursor plane for all: the first lease has it; the second does without. */
static void cursor_is_the_least_shared_one(void **state) {
	struct card_snapshot s = fake_topology_no_cursor(2);
	struct alloc_taken taken = {0};
	struct card_objects objects;
	fake_add_plane(&s, CARD_PLANE_CURSOR, BIT(0) | BIT(1));
	fake_add_plane(&s, CARD_PLANE_CURSOR, BIT(0));
	assert_true(grant(&s, &taken, 0, &objects));
	assert_int_equal(objects.n_planes, 2);
	assert_int_equal(objects.planes[1], FAKE_PLANE(3));
	assert_true(grant(&s, &taken, 1, &objects));
	assert_int_equal(objects.n_planes, 2);
	assert_int_equal(objects.planes[1], FAKE_PLANE(2));
}

static void without_planes_or_crtcs_there_is_nothing(void **state) {
	struct card_snapshot s = {0};
	struct alloc_taken taken = {0};
	struct card_objects objects;
	fake_add_connector(&s, BIT(0));
	assert_int_equal(alloc_pick(&s, &taken, 0, &objects), -ENOSPC);
	fake_add_crtc(&s);
	fake_add_plane(&s, CARD_PLANE_CURSOR, BIT(0));
	fake_add_plane(&s, CARD_PLANE_OVERLAY, BIT(0));
	assert_int_equal(alloc_pick(&s, &taken, 0, &objects), -ENOSPC);
	fake_add_plane(&s, CARD_PLANE_PRIMARY, 0);
	assert_int_equal(alloc_pick(&s, &taken, 0, &objects), -ENOSPC);
}

/* Objects of a connector that was unplugged since are no mistake. */
static void unknown_ids_are_ignored(void **state) {
	struct card_snapshot s = fake_topology_virtio(2);
	struct alloc_taken taken = {0};
	struct card_objects gone = {.connector = 7, .crtc = 8, .planes = {9, 10}, .n_planes = 2};
	alloc_take(&s, &gone, &taken);
	assert_int_equal(taken.connectors | taken.crtcs | taken.planes, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(virtio_has_one_answer),
		cmocka_unit_test(known_topologies),
		cmocka_unit_test(thirty_two_of_everything),
		cmocka_unit_test(picky_connectors_keep_their_crtc),
		cmocka_unit_test(ties_stay_on_the_crtc),
		cmocka_unit_test(overlays_only_if_nobody_else_can_use_them),
		cmocka_unit_test(cursor_is_the_least_shared_one),
		cmocka_unit_test(without_planes_or_crtcs_there_is_nothing),
		cmocka_unit_test(unknown_ids_are_ignored),
		cmocka_unit_test(random_topologies_serve_the_maximum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
