/*
 * A kernel made of tables: an instance of `struct card_ops` for the tests of the daemon's own
 * logic. It keeps the promises of the real one that the daemon relies on: a lease ends when the
 * last copy of its fd is closed, lessee ids are reused from the lowest, a revoked lessee is not
 * listed, objects are leased once. Real DRM behaviour is tested in tests/vm only.
 */
#ifndef TESTS_FAKE_CARD_H
#define TESTS_FAKE_CARD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/model/card.h"
#include "fake_event.h"
#include "fake_gate.h"
#include "fake_topology.h"

extern const struct card_ops fake_card_ops;

struct fake_card;

/* A kernel without cards; fake_finish() checks that nothing of it is open any more. */
void fake_init(void);
void fake_finish(void);

/* A card that exists from now on. All its CRTCs and planes show the boot's picture. */
struct fake_card *fake_card_add(const char *device, const struct card_snapshot *topology);
/* Another driver than virtio_gpu; another path that leads to it. */
void fake_card_set_driver(struct fake_card *card, const char *driver);
void fake_card_set_link(struct fake_card *card, const char *path);
/* Unplugs it: every call on it fails with ENODEV, its leases are gone. Sends REMOVED. */
void fake_card_remove(struct fake_card *card);

/* What the next snapshot says. Send CARD_EVENT_HOTPLUG to make anybody look. */
void fake_card_set_connected(struct fake_card *card, unsigned connector, bool connected);
void fake_card_set_preferred(
	struct fake_card *card, unsigned connector, uint32_t width, uint32_t height);
/* The connector object goes away, as a display-port hub's do. */
void fake_card_drop_connector(struct fake_card *card, unsigned connector);

/* Whether the daemon has the card open. */
bool fake_card_is_open(struct fake_card *card);
/* How many lessees hold objects. */
unsigned fake_card_n_lessees(struct fake_card *card);
/* Whether CRTC `i` shows a picture; `fake_card_picture` says which: they are counted from 1. */
uint64_t fake_card_picture(struct fake_card *card, unsigned crtc);

/*
 * What must never happen: a CRTC or plane leased while it shows somebody else's picture, and a
 * CRTC blanked while a lessee has it.
 */
unsigned fake_n_seen(void);
/* How many framebuffers the daemon has adopted and not dropped. */
unsigned fake_n_adopted(void);
unsigned fake_n_torn(void);

/* For fake_event.c: notices, with the lock held, which holders have hung up. */
void fake_cards_reap(void);

#endif
