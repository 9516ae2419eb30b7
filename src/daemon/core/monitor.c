#include "daemon/core/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/inventory.h"
#include "daemon/core/manager.h"
#include "daemon/core/reaper.h"
#include "daemon/core/selection.h"
#include "daemon/drain/drain.h"
#include "daemon/util/log.h"

struct monitor {
	struct manager *manager;
	sd_event_source *source;
	int fd; // -1: deaf until try_again()
};

static int handle_readable(sd_event_source *source, int fd, uint32_t events, void *data);

static void handle_event(struct manager *manager, const struct card_event *event) {
	struct card *card = manager_find_card(manager, event->device);

	switch (event->type) {
	case CARD_EVENT_LEASE:
		if (card) {
			reaper_reconcile(manager, card);
		}
		break;
	case CARD_EVENT_ADDED:
	case CARD_EVENT_HOTPLUG:
		/* The kernel tells of a card before it lets anybody open it (drm_minor_register in
		 * Linux 6.1), and then of each of its connectors: one of these comes late enough.
		 */
		if (!card && selection_has_card(manager, event->device) > 0) {
			inventory_add(manager, event->device);
		} else if (card && event->type == CARD_EVENT_HOTPLUG) {
			inventory_update(manager, card);
		}
		break;
	case CARD_EVENT_REMOVED:
		if (card) {
			log_warning("%s: Unplugged", card->device);
			inventory_remove(manager, card);
		}
		break;
	case CARD_EVENT_OTHER:
		break;
	}
}

static bool contains(char (*list)[64], int n, const char *device) {
	for (int i = 0; i < n; i++) {
		if (strcmp(list[i], device) == 0) {
			return true;
		}
	}
	return false;
}

/* Events were lost: look at everything, and for cards that came or went. */
static void resync(struct manager *manager) {
	char found[MAX_CARDS][64];
	struct card *card, *next;

	log_warning("Events were lost; looking at all cards");
	int n = manager->ops->enumerate(found, MAX_CARDS);
	if (n < 0) {
		log_error("Cannot look for cards in /dev/dri: %s", strerror(-n));
	}
	for (card = TAILQ_FIRST(&manager->cards); card; card = next) {
		next = TAILQ_NEXT(card, link);
		/* -ENODEV: another card has its name by now. */
		if ((n >= 0 && !contains(found, n, card->device)) ||
			reaper_reconcile(manager, card) == -ENODEV) {
			inventory_remove(manager, card);
		} else {
			inventory_update(manager, card);
		}
	}
	inventory_look(manager);
}

static int begin_to_hear(struct monitor *monitor) {
	const struct manager *manager = monitor->manager;
	int r = monitor->fd = manager->ops->monitor();
	return r < 0 ? r
		     : sd_event_add_io(manager->host.event, &monitor->source, monitor->fd, EPOLLIN,
			       handle_readable, monitor);
}

static void stop_to_hear(struct monitor *monitor) {
	monitor->source = sd_event_source_disable_unref(monitor->source);
	if (monitor->fd >= 0) {
		close(monitor->fd);
	}
	monitor->fd = -1;
}

static void hear_later(struct monitor *monitor, int error) {
	log_error("Cannot hear the kernel's events: %s. Trying again", strerror(-error));
	stop_to_hear(monitor);
	retry_later(&monitor->manager->retry);
}

static void hear_again(struct monitor *monitor) {
	int r = begin_to_hear(monitor);
	if (r < 0) {
		hear_later(monitor, r);
	} else {
		resync(monitor->manager);
	}
}

/* What failed a while ago. */
static void try_again(void *data) {
	struct monitor *monitor = data;
	struct manager *manager = monitor->manager;
	struct card *card;
	struct scanout *scanout;
	if (monitor->fd < 0) {
		hear_again(monitor);
	}
	if (manager->unopened) {
		inventory_look(manager);
	}
	TAILQ_FOREACH (card, &manager->cards, link) {
		if (card->silent < 0) {
			reaper_reconcile(manager, card);
		}
		if (card->stale) {
			inventory_update(manager, card);
		}
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			drain_again(scanout);
		}
	}
	queue_wake(&manager->queue);
}

static int handle_readable(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct monitor *monitor = data;
	struct card_event event;
	int r;
	while ((r = monitor->manager->ops->read_event(fd, &event)) > 0) {
		handle_event(monitor->manager, &event);
	}
	if (r == -ENOBUFS || r == -ENOMEM) {
		resync(monitor->manager);
	} else if (r < 0) {
		hear_later(monitor, r);
	}
	return 0;
}

int monitor_new(struct manager *manager, struct monitor **ret) {
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	if (!monitor) {
		return -ENOMEM;
	}
	monitor->manager = manager;
	monitor->fd = -1;
	int r = retry_init(&manager->retry, manager->host.event, try_again, monitor);
	if (r >= 0) {
		r = begin_to_hear(monitor);
	}
	if (r < 0) {
		monitor_destroy(monitor);
		return r;
	}
	*ret = monitor;
	return 0;
}

void monitor_destroy(struct monitor *monitor) {
	if (!monitor) {
		return;
	}
	retry_finish(&monitor->manager->retry);
	stop_to_hear(monitor);
	free(monitor);
}
