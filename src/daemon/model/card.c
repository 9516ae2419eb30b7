#include "daemon/model/card.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/kms/alloc.h"
#include "daemon/kms/worker.h"
#include "daemon/model/scanout.h"
#include "daemon/util/log.h"

int card_new(const struct card_ops *ops, struct card_host *host, const char *device, int fd,
	struct card **ret) {
	struct card *card = calloc(1, sizeof(*card));
	if (!card) {
		return -ENOMEM;
	}
	card->ops = ops;
	card->host = host;
	snprintf(card->device, sizeof(card->device), "%s", device);
	card->name = strrchr(card->device, '/') ? strrchr(card->device, '/') + 1 : card->device;
	TAILQ_INIT(&card->scanouts);
	struct stat st;
	if (fstat(fd, &st) == 0) {
		card->major = major(st.st_rdev);
		card->minor = minor(st.st_rdev);
	}
	int r = worker_new(host->event, &card->worker);
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
	scanout->preferred = card_size_scanout(card, scanout);
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
		if (scanout_is_taken(scanout) || scanout_state(scanout) == SCANOUT_EXCLUDED) {
			alloc_take(&card->snapshot, &scanout->objects, &taken);
		}
		/* Nothing has to be left over for an output that cannot be leased. */
		int i = card_find_connector(card, scanout->connector);
		if (i >= 0 && scanout_state(scanout) != SCANOUT_FREE) {
			taken.connectors |= UINT32_C(1) << i;
		}
	}
	return taken;
}

int card_pick_objects(struct scanout *scanout) {
	const struct card *card = scanout->card;
	struct alloc_taken taken = card_taken(card);
	int i = card_find_connector(card, scanout->connector);
	return i < 0 ? -ENOENT
		     : alloc_pick(&card->snapshot, &taken, (unsigned)i, &scanout->objects);
}

bool card_has_size(const struct card *card, uint32_t connector) {
	int i = card_find_connector(card, connector);
	return i >= 0 && card->snapshot.connectors[i].preferred.width != 0;
}

struct card_mode card_size_scanout(const struct card *card, const struct scanout *scanout) {
	int i = card_find_connector(card, scanout->connector);
	if (i < 0) {
		return (struct card_mode){0};
	}
	if (card_has_size(card, scanout->connector)) {
		return card->snapshot.connectors[i].preferred;
	}
	return scanout->lease && scanout->preferred.width != 0 ? scanout->preferred
							       : card->snapshot.connectors[i].usual;
}

int card_find_connector(const struct card *card, uint32_t connector) {
	for (unsigned i = 0; i < card->snapshot.n_connectors; i++) {
		if (card->snapshot.connectors[i].id == connector) {
			return (int)i;
		}
	}
	return -1;
}

/* A stable name for people, the card's place on its bus, without what FDNAME= does not allow. */
static void read_bus_path(const struct card *card, char *ret, size_t size) {
	char link[64];
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device", card->major, card->minor);
	AUTO_FREE char *path = realpath(link, NULL);
	const char *start =
		path && strncmp(path, "/sys/devices/", 13) == 0 ? path + 13 : card->name;
	snprintf(ret, size, "%s", start);
	for (char *p = ret; *p; p++) {
		*p = *p == ':' || *p == '/' || *p < ' ' || *p > '~' ? '_' : *p;
	}
}

void card_name(struct card *card) {
	uint64_t epoch = 0;
	char path[128];
	/* The number tells this open file from an earlier one of the same card, whose lessees had
	 * the same small ids. */
	if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch)) {
		log_error("%s: Cannot be kept for another daemon: %m", card->device);
		return;
	}
	read_bus_path(card, path, sizeof(path));
	snprintf(card->store_name, sizeof(card->store_name), FDSTORE_CARD "%016" PRIx64 ".%s",
		epoch, path);
}
