#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_kernel.h"

bool fake_has_hung_up(int fd) {
	struct pollfd p = {.fd = fd};
	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static void end_lessee(struct fake_lessee *lessee) {
	unsigned i = fake_find_crtc(lessee->card, lessee->shown);
	if (lessee->shown && lessee->card->crtc_picture[i] == lessee->picture &&
		!lessee->card->adopted[i]) {
		lessee->card->lost[i] = true;
	}
	TAILQ_REMOVE(&lessee->card->lessees, lessee, link);
	if (lessee->card->present) {
		fake_lessee_ended(lessee->card->device);
	}
	close(lessee->peer);
	free(lessee);
}

void fake_reap(struct fake_card *card) {
	struct fake_lessee *lessee, *next;
	for (lessee = TAILQ_FIRST(&card->lessees); lessee; lessee = next) {
		next = TAILQ_NEXT(lessee, link);
		if (fake_has_hung_up(lessee->peer)) {
			end_lessee(lessee);
			continue;
		}
		/* Not at once: the daemon tries whether something is leased, and nobody sees it. */
		fake_kernel.n_seen += lessee->n_foreign;
		lessee->n_foreign = 0;
	}
}

void fake_end_lessees(struct fake_card *card) {
	while (!TAILQ_EMPTY(&card->lessees)) {
		end_lessee(TAILQ_FIRST(&card->lessees));
	}
}

struct fake_lessee *fake_find_lessee(struct fake_card *card, uint32_t id) {
	struct fake_lessee *lessee;
	TAILQ_FOREACH (lessee, &card->lessees, link) {
		if (lessee->id == id) {
			return lessee;
		}
	}
	return NULL;
}

bool fake_is_leased(struct fake_card *card, uint32_t object) {
	struct fake_lessee *lessee;
	TAILQ_FOREACH (lessee, &card->lessees, link) {
		if (lessee->objects.connector == object || lessee->objects.crtc == object) {
			return true;
		}
		for (unsigned i = 0; i < lessee->objects.n_planes; i++) {
			if (lessee->objects.planes[i] == object) {
				return true;
			}
		}
	}
	return false;
}

/* The order of drm_mode_create_lease_ioctl(): ENOENT, EINVAL, ENOSPC, EBUSY. */
int fake_check_objects(struct fake_card *card, const struct card_objects *objects) {
	uint32_t ids[2 + CARD_MAX_OBJECTS] = {objects->connector, objects->crtc};
	memcpy(&ids[2], objects->planes, objects->n_planes * sizeof(ids[0]));
	unsigned n = 2 + objects->n_planes;

	for (unsigned i = 0; i < n; i++) {
		if (!fake_is_known(&card->topology, ids[i])) {
			return -ENOENT;
		}
	}
	if (objects->n_planes == 0) {
		return -EINVAL;
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (ids[i] == ids[k]) {
				return -ENOSPC;
			}
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (fake_is_leased(card, ids[i])) {
			return -EBUSY;
		}
	}
	return 0;
}

static uint32_t lowest_id(struct fake_card *card) {
	uint32_t id = 1;
	while (fake_find_lessee(card, id)) {
		id++;
	}
	return id;
}

int fake_add_lessee(struct fake_card *card, const struct card_objects *objects, uint32_t *ret) {
	int ends[2];
	struct fake_lessee *lessee = calloc(1, sizeof(*lessee));
	if (!lessee) {
		return -ENOMEM;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		free(lessee);
		return -errno;
	}
	lessee->card = card;
	lessee->id = lowest_id(card);
	lessee->peer = ends[1];
	if (objects) {
		lessee->objects = *objects;
		/* The holder draws at once. */
		unsigned i = fake_find_crtc(card, objects->crtc);
		unsigned n = fake_show(card, objects, ++fake_kernel.last_picture);
		lessee->n_foreign = card->adopted[i] ? 0 : n; // else it is meant to be seen
		card->adopted[i] = card->lost[i] = false;
		lessee->shown = objects->crtc;
		lessee->picture = fake_kernel.last_picture;
	}
	TAILQ_INSERT_TAIL(&card->lessees, lessee, link);
	fake_watch_lessee(lessee->peer);
	*ret = lessee->id;
	return ends[0];
}
