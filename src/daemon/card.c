#include "card.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "linger.h"
#include "scanout.h"
#include "worker.h"

int card_new(const struct card_ops *ops, sd_event *event, const char *device, int fd,
	struct card **ret) {
	struct card *card = calloc(1, sizeof(*card));
	if (!card) {
		return -ENOMEM;
	}
	card->ops = ops;
	snprintf(card->device, sizeof(card->device), "%s", device);
	card->name = strrchr(card->device, '/') ? strrchr(card->device, '/') + 1 : card->device;
	TAILQ_INIT(&card->scanouts);
	struct stat st;
	if (fstat(fd, &st) == 0) {
		card->major = major(st.st_rdev);
		card->minor = minor(st.st_rdev);
	}
	int r = worker_new(event, &card->worker);
	if (r < 0) {
		free(card);
		return r;
	}
	card->fd = fd;
	*ret = card;
	return 0;
}

void card_destroy(struct card *card) {
	if (!card) {
		return;
	}
	for (struct scanout *scanout; (scanout = TAILQ_FIRST(&card->scanouts));) {
		TAILQ_REMOVE(&card->scanouts, scanout, link);
		linger_destroy(scanout->linger);
		free(scanout);
	}
	if (card->fd >= 0) {
		close(card->fd);
	}
	free(card);
}

void card_add_scanout(
	struct card *card, const struct card_connector *connector, struct scanout *scanout) {
	scanout->card = card;
	scanout->connector = connector->id;
	scanout->preferred = connector->preferred;
	/* virtio-gpu creates its connectors in the order of the host's heads. The number in the
	 * name will not do: it counts on over all cards of the VM (drm_connector.c, one ida per
	 * connector type). */
	scanout->index = (unsigned)(connector - card->snapshot.connectors);
	snprintf(scanout->id, sizeof(scanout->id), "%.20s-%s", card->name, connector->name);
	TAILQ_INSERT_TAIL(&card->scanouts, scanout, link);
}

struct alloc_taken card_taken(const struct card *card) {
	struct alloc_taken taken = {0};
	struct scanout *scanout;
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		if (scanout_is_taken(scanout) || scanout->state == SCANOUT_EXCLUDED) {
			alloc_take(&card->snapshot, &scanout->objects, &taken);
		}
		/* Nothing has to be left over for an output that cannot be leased. */
		int i = card_find_connector(card, scanout->connector);
		if (i >= 0 && scanout->state != SCANOUT_FREE) {
			taken.connectors |= UINT32_C(1) << i;
		}
	}
	return taken;
}

int card_find_connector(const struct card *card, uint32_t connector) {
	for (unsigned i = 0; i < card->snapshot.n_connectors; i++) {
		if (card->snapshot.connectors[i].id == connector) {
			return (int)i;
		}
	}
	return -1;
}
