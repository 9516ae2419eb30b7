#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_kernel.h"
#include "starve.h"

struct fake_kernel fake_kernel;

struct fake_card *fake_find_device(const char *device) {
	struct fake_card *card;
	TAILQ_FOREACH (card, &fake_kernel.cards, link) {
		if (card->present && strcmp(card->device, device) == 0) {
			return card;
		}
	}
	return NULL;
}

struct fake_card *fake_find_master(int fd) {
	struct stat st;
	struct fake_card *card;
	int r = fstat(fd, &st);
	assert(r == 0); // the daemon used an fd that it had closed
	TAILQ_FOREACH (card, &fake_kernel.cards, link) {
		if (card->master_peer >= 0 && card->master == st.st_ino) {
			return card;
		}
	}
	assert(!"the fd is no card's");
	return NULL;
}

bool fake_is_known(const struct card_snapshot *t, uint32_t object) {
	for (unsigned i = 0; i < CARD_MAX_OBJECTS; i++) {
		if ((i < t->n_connectors && t->connectors[i].id == object) ||
			(i < t->n_crtcs && t->crtcs[i] == object) ||
			(i < t->n_planes && t->planes[i].id == object)) {
			return true;
		}
	}
	return false;
}

unsigned fake_show(struct fake_card *card, const struct card_objects *objects, uint64_t picture) {
	const struct card_snapshot *t = &card->topology;
	unsigned n = 0;
	for (unsigned i = 0; i < t->n_crtcs; i++) {
		if (t->crtcs[i] == objects->crtc) {
			n += card->crtc_picture[i] != 0;
			card->crtc_picture[i] = picture;
		}
	}
	for (unsigned i = 0; i < t->n_planes; i++) {
		for (unsigned k = 0; k < objects->n_planes; k++) {
			if (t->planes[i].id == objects->planes[k]) {
				n += card->plane_picture[i] != 0;
				card->plane_picture[i] = picture;
			}
		}
	}
	return n;
}

unsigned fake_find_crtc(const struct fake_card *card, uint32_t crtc) {
	unsigned i = 0;
	while (i + 1 < card->topology.n_crtcs && card->topology.crtcs[i] != crtc) {
		i++;
	}
	return i;
}

void fake_cards_reap(void) {
	struct fake_card *card;
	TAILQ_FOREACH (card, &fake_kernel.cards, link) {
		fake_reap(card);
	}
}

void fake_init(void) {
	TAILQ_INIT(&fake_kernel.cards);
	fake_gates_reset();
	fake_events_init();
	fake_kernel.n_seen = fake_kernel.n_torn = fake_kernel.n_adopted = 0;
}

void fake_finish(void) {
	for (struct fake_card *card; (card = TAILQ_FIRST(&fake_kernel.cards));) {
		TAILQ_REMOVE(&fake_kernel.cards, card, link);
		card->present = false; // no events any more
		fake_end_lessees(card);
		if (card->master_peer >= 0) {
			close(card->master_peer);
		}
		free(card);
	}
	fake_events_finish();
}

struct fake_card *fake_card_add(const char *device, const struct card_snapshot *topology) {
	starve_pause();
	struct fake_card *card = calloc(1, sizeof(*card));
	starve_resume();
	assert(card);
	fake_lock();
	snprintf(card->device, sizeof(card->device), "%s", device);
	snprintf(card->driver, sizeof(card->driver), "virtio_gpu");
	card->topology = *topology;
	card->present = true;
	card->master_peer = -1;
	TAILQ_INIT(&card->lessees);
	fake_kernel.last_picture++;
	for (unsigned i = 0; i < CARD_MAX_OBJECTS; i++) {
		card->crtc_picture[i] = card->plane_picture[i] = fake_kernel.last_picture;
	}
	TAILQ_INSERT_TAIL(&fake_kernel.cards, card, link);
	fake_unlock();
	return card;
}

void fake_card_set_driver(struct fake_card *card, const char *driver) {
	fake_lock();
	snprintf(card->driver, sizeof(card->driver), "%s", driver);
	fake_unlock();
}

void fake_card_set_link(struct fake_card *card, const char *path) {
	fake_lock();
	snprintf(card->path, sizeof(card->path), "%s", path);
	fake_unlock();
}

void fake_card_remove(struct fake_card *card) {
	fake_lock();
	card->present = false;
	fake_end_lessees(card);
	fake_push_event(CARD_EVENT_REMOVED, card->device);
	fake_unlock();
}

void fake_card_set_connected(struct fake_card *card, unsigned connector, bool connected) {
	fake_lock();
	card->topology.connectors[connector].connected = connected;
	fake_unlock();
}

void fake_card_set_preferred(
	struct fake_card *card, unsigned connector, uint32_t width, uint32_t height) {
	fake_lock();
	card->topology.connectors[connector].preferred.width = width;
	card->topology.connectors[connector].preferred.height = height;
	fake_unlock();
}

void fake_card_drop_connector(struct fake_card *card, unsigned connector) {
	fake_lock();
	struct card_snapshot *t = &card->topology;
	memmove(&t->connectors[connector], &t->connectors[connector + 1],
		(--t->n_connectors - connector) * sizeof(t->connectors[0]));
	fake_unlock();
}

bool fake_card_is_open(struct fake_card *card) {
	fake_lock();
	bool open = card->master_peer >= 0 && !fake_has_hung_up(card->master_peer);
	fake_unlock();
	return open;
}

unsigned fake_card_n_lessees(struct fake_card *card) {
	unsigned n = 0;
	struct fake_lessee *lessee;
	fake_lock();
	fake_reap(card);
	TAILQ_FOREACH (lessee, &card->lessees, link) {
		n += lessee->objects.crtc != 0;
	}
	fake_unlock();
	return n;
}

uint64_t fake_card_picture(struct fake_card *card, unsigned crtc) {
	fake_lock();
	uint64_t picture = card->crtc_picture[crtc];
	fake_unlock();
	return picture;
}

unsigned fake_n_adopted(void) {
	fake_lock();
	unsigned n = fake_kernel.n_adopted;
	fake_unlock();
	return n;
}

unsigned fake_n_seen(void) {
	fake_lock();
	fake_cards_reap();
	unsigned n = fake_kernel.n_seen;
	fake_unlock();
	return n;
}

unsigned fake_n_torn(void) {
	return fake_kernel.n_torn;
}
