#include "fake_topology.h"

#include <stdio.h>

#define BIT(i) (UINT32_C(1) << (i))
#define FIRST(n) ((n) < 32 ? BIT(n) - 1 : UINT32_MAX)

void fake_add_connector(struct card_snapshot *topology, uint32_t possible_crtcs) {
	unsigned i = topology->n_connectors++;
	struct card_connector *connector = &topology->connectors[i];
	*connector = (struct card_connector){
		.id = FAKE_CONNECTOR(i),
		.possible_crtcs = possible_crtcs,
		.connected = true,
		.preferred = {1280 + i, 800, 59995},
	};
	snprintf(connector->name, sizeof(connector->name), "Virtual-%u", i + 1);
}

void fake_add_crtc(struct card_snapshot *topology) {
	unsigned i = topology->n_crtcs++;
	topology->crtcs[i] = FAKE_CRTC(i);
}

void fake_add_plane(
	struct card_snapshot *topology, enum card_plane_type type, uint32_t possible_crtcs) {
	unsigned i = topology->n_planes++;
	topology->planes[i] = (struct card_plane){
		.id = FAKE_PLANE(i), .type = type, .possible_crtcs = possible_crtcs};
}

struct card_snapshot fake_topology_no_cursor(unsigned n) {
	struct card_snapshot topology = {0};
	for (unsigned i = 0; i < n; i++) {
		fake_add_connector(&topology, BIT(i));
		fake_add_crtc(&topology);
		fake_add_plane(&topology, CARD_PLANE_PRIMARY, BIT(i));
	}
	return topology;
}

struct card_snapshot fake_topology_virtio(unsigned n) {
	struct card_snapshot topology = {0};
	for (unsigned i = 0; i < n; i++) {
		fake_add_connector(&topology, BIT(i));
		fake_add_crtc(&topology);
		fake_add_plane(&topology, CARD_PLANE_PRIMARY, BIT(i));
		fake_add_plane(&topology, CARD_PLANE_CURSOR, BIT(i));
	}
	return topology;
}

struct card_snapshot fake_topology_floating_crtcs(unsigned connectors, unsigned crtcs) {
	struct card_snapshot topology = {0};
	for (unsigned i = 0; i < connectors; i++) {
		fake_add_connector(&topology, FIRST(crtcs));
	}
	for (unsigned i = 0; i < crtcs; i++) {
		fake_add_crtc(&topology);
		fake_add_plane(&topology, CARD_PLANE_PRIMARY, BIT(i));
	}
	return topology;
}

struct card_snapshot fake_topology_shared_planes(
	unsigned connectors, unsigned crtcs, unsigned planes) {
	struct card_snapshot topology = {0};
	for (unsigned i = 0; i < connectors; i++) {
		fake_add_connector(&topology, FIRST(crtcs));
	}
	for (unsigned i = 0; i < crtcs; i++) {
		fake_add_crtc(&topology);
	}
	for (unsigned i = 0; i < planes; i++) {
		fake_add_plane(&topology, CARD_PLANE_PRIMARY, FIRST(crtcs));
	}
	return topology;
}
