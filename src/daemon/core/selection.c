#include "daemon/core/selection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/kmsdriver.h"
#include "daemon/core/manager.h"
#include "daemon/util/log.h"

#define MAX_CARDS 64

/* Of other cards, such as the VGA that QEMU adds by itself, no host is to see a desktop. */
static int is_virtio(const struct manager *manager, const char *device) {
	char driver[64];
	int r = manager->ops->driver(device, driver, sizeof(driver));
	return r == -ENOENT ? 0 : r < 0 ? r : strcmp(driver, KMSDRIVER_VIRTIO) == 0;
}

int selection_has_card(const struct manager *manager, const char *device) {
	char **devices = manager->config.devices;
	char node[64];
	for (char **p = devices; p && *p; p++) {
		if (manager->ops->resolve(*p, &node) >= 0 && strcmp(node, device) == 0) {
			return 1;
		}
	}
	return !devices                            ? is_virtio(manager, device)
	       : selection_waits_for_link(manager) ? -EAGAIN
						   : 0;
}

bool selection_waits_for_link(const struct manager *manager) {
	char node[64];
	for (char **p = manager->config.devices; p && *p; p++) {
		int r = manager->ops->resolve(*p, &node);
		if (r < 0 && r != -ENXIO) {
			return true;
		}
	}
	return false;
}

void selection_log_unused(const struct manager *manager) {
	char found[MAX_CARDS][64], driver[64];
	int n = manager->config.devices ? 0 : manager->ops->enumerate(found, MAX_CARDS);
	for (int i = 0; i < n; i++) {
		int r = manager->ops->driver(found[i], driver, sizeof(driver));
		if (r < 0 || strcmp(driver, KMSDRIVER_VIRTIO) != 0) {
			log_info(
				"%s: Not used: its driver is %s, and Devices=auto means virtio_gpu. "
				"Name it in Devices= of scanoutd.conf if it is meant",
				found[i], r < 0 ? "not known" : driver);
		}
	}
}

static bool is_there(const struct manager *manager, const char *path) {
	char found[MAX_CARDS][64], node[64];
	int n = manager->ops->resolve(path, &node) < 0 ? 0
						       : manager->ops->enumerate(found, MAX_CARDS);
	for (int i = 0; i < n; i++) {
		if (strcmp(found[i], node) == 0) {
			return true;
		}
	}
	return n < 0; // nobody knows
}

enum found {
	FOUND,
	FOUND_NO_CARD,
	FOUND_NO_OUTPUT,
};

static enum found find_scanout(const struct manager *manager, const char *id) {
	size_t length = strcspn(id, "-");
	const struct card *card;
	const struct scanout *scanout;
	TAILQ_FOREACH (card, &manager->cards, link) {
		if (strlen(card->name) != length || strncmp(card->name, id, length) != 0) {
			continue;
		}
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if (strcmp(scanout->id, id) == 0) {
				return FOUND;
			}
		}
		return card->ready ? FOUND_NO_OUTPUT : FOUND; // who knows
	}
	return TAILQ_EMPTY(&manager->cards) ? FOUND : FOUND_NO_CARD;
}

void selection_check(
	const struct manager *manager, void (*tell)(void *data, const char *text), void *data) {
	char text[256];
	for (char **p = manager->config.devices; p && *p; p++) {
		if (!is_there(manager, *p)) {
			snprintf(text, sizeof(text),
				"Devices= names %.100s, which is not there, and without it the next "
				"start fails. 'ls /dev/dri /dev/dri/by-path' shows what is",
				*p);
			tell(data, text);
		}
	}
	for (char **p = manager->config.exclude; p && *p; p++) {
		enum found found = find_scanout(manager, *p);
		if (found != FOUND) {
			snprintf(text, sizeof(text),
				"Exclude= names %.60s, but %.*s %s, so that it excludes nothing. "
				"'scanoutctl list' shows the ids",
				*p, (int)strcspn(*p, "-"), *p,
				found == FOUND_NO_CARD ? "is not in use" : "has no such output");
			tell(data, text);
		}
	}
}
