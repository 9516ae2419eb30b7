#include "daemon/core/manager.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/drain/drain.h"
#include "daemon/kms/worker.h"
#include "daemon/util/failpoint.h"

/* How long the end of the process waits for a worker that hangs in the kernel. */
#define WORKER_EXIT_USEC 1000000

static void on_changed(void *data, struct scanout *scanout) {
	struct manager *manager = data;
	manager_tell(manager, changed, scanout);
}

static void on_ready(void *data, struct scanout *scanout) {
	struct manager *manager = data;
	queue_wake(&manager->queue);
}

static void on_failed(void *data, struct scanout *scanout) {
	struct manager *manager = data;
	retry_later(&manager->retry);
}

static void on_recorded(void *data, struct scanout *scanout) {
	struct manager *manager = data;
	if (scanout->lease) {
		lease_forget_record(scanout->lease);
	}
	manager_save_later(manager);
}

static const struct scanout_listener listener = {
	.changed = on_changed,
	.ready = on_ready,
	.failed = on_failed,
	.recorded = on_recorded,
};

static int handle_saver(sd_event_source *source, void *data) {
	manager_save(data);
	FAILPOINT("end-saved");
	return 0;
}

void manager_init(struct manager *manager, sd_event *event, const struct card_ops *ops,
	struct config *config) {
	*manager = (struct manager){
		.host = {.event = event, .listener = &listener, .data = manager},
		.ops = ops,
		.config = *config,
	};
	*config = (struct config){0};
	TAILQ_INIT(&manager->cards);
	lease_table_init(&manager->leases);
	queue_init(&manager->queue, event);
	/* Without it, each change is written at once. */
	if (sd_event_add_defer(event, &manager->saver, handle_saver, manager) >= 0) {
		sd_event_source_set_enabled(manager->saver, SD_EVENT_OFF);
		sd_event_source_set_priority(manager->saver, SD_EVENT_PRIORITY_IMPORTANT);
	}
}

void manager_finish(struct manager *manager) {
	manager->observer = NULL;
	queue_finish(&manager->queue);
	if (manager->saver && sd_event_source_get_enabled(manager->saver, NULL) > 0) {
		manager_save(manager);
	}
	manager->saver = sd_event_source_disable_unref(manager->saver);
	lease_table_finish(&manager->leases);
	for (struct card *card; (card = TAILQ_FIRST(&manager->cards));) {
		TAILQ_REMOVE(&manager->cards, card, link);
		if (worker_destroy(card->worker, WORKER_EXIT_USEC)) {
			manager_destroy_card(card);
		}
	}
	config_finish(&manager->config);
	state_finish(&manager->state);
}

void manager_save(struct manager *manager) {
	state_save(&manager->state, &manager->cards, &manager->leases);
	sd_event_source_set_enabled(manager->saver, SD_EVENT_OFF);
}

void manager_save_later(struct manager *manager) {
	if (!manager->saver || sd_event_source_set_enabled(manager->saver, SD_EVENT_ONESHOT) < 0) {
		manager_save(manager);
	}
}

void manager_destroy_card(struct card *card) {
	struct scanout *scanout;
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		drain_forget(scanout);
	}
	card_destroy(card);
}

struct card *manager_find_card(struct manager *manager, const char *device) {
	struct card *card;
	TAILQ_FOREACH (card, &manager->cards, link) {
		if (strcmp(card->device, device) == 0) {
			return card;
		}
	}
	return NULL;
}

struct scanout *manager_find_scanout(struct manager *manager, const char *id) {
	struct card *card;
	struct scanout *scanout;
	MANAGER_FOREACH_SCANOUT (manager, card, scanout) {
		if (strcmp(scanout->id, id) == 0) {
			return scanout;
		}
	}
	return NULL;
}

void manager_count(const struct manager *manager, unsigned *ret_total, unsigned *ret_free) {
	struct card *card;
	struct scanout *scanout;
	*ret_total = *ret_free = 0;
	MANAGER_FOREACH_SCANOUT (manager, card, scanout) {
		*ret_total += 1;
		*ret_free += scanout_state(scanout) == SCANOUT_FREE;
	}
}

bool manager_is_draining(const struct manager *manager) {
	struct card *card;
	struct scanout *scanout;
	MANAGER_FOREACH_SCANOUT (manager, card, scanout) {
		if (scanout_state(scanout) == SCANOUT_DRAINING) {
			return true;
		}
	}
	return false;
}
