/* Tables of connectors, CRTCs and planes for the tests. */
#ifndef TESTS_FAKE_TOPOLOGY_H
#define TESTS_FAKE_TOPOLOGY_H

#include "daemon/model/card.h"

/* Object ids differ between the kinds, and none is an index. */
#define FAKE_CONNECTOR(i) (100 + 3 * (uint32_t)(i))
#define FAKE_CRTC(i) (300 + 2 * (uint32_t)(i))
#define FAKE_PLANE(i) (500 + 5 * (uint32_t)(i))

/* Objects one by one; every output is connected, with a preferred mode. */
void fake_add_connector(struct card_snapshot *topology, uint32_t possible_crtcs);
void fake_add_crtc(struct card_snapshot *topology);
void fake_add_plane(
	struct card_snapshot *topology, enum card_plane_type type, uint32_t possible_crtcs);

/* As virtio-gpu: connector i on CRTC i alone, a primary and a cursor plane each. */
struct card_snapshot fake_topology_virtio(unsigned n);
/* The same without cursor planes. */
struct card_snapshot fake_topology_no_cursor(unsigned n);
/* Every connector on every CRTC; a primary plane for each CRTC. */
struct card_snapshot fake_topology_floating_crtcs(unsigned connectors, unsigned crtcs);
/* Every connector on every CRTC, every primary plane on every CRTC. */
struct card_snapshot fake_topology_shared_planes(
	unsigned connectors, unsigned crtcs, unsigned planes);

#endif
