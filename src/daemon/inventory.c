#include "inventory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "failpoint.h"
#include "log.h"
#include "manager.h"
#include "passed.h"
#include "seat.h"
#include "state.h"
#include "string_list.h"
#include "survey.h"
#include "worker.h"

#define MAX_CARDS 64

static void end_preparing(struct manager *manager, struct card *card) {
	if (!card->preparing) {
		return;
	}
	card->preparing = false;
	if (--manager->preparing == 0 && manager->observer) {
		manager->observer->prepared(manager->observer_data);
	}
}

/*
 * What goes wrong with a card is no reason to let go of it: its leases, and those that it may have
 * from before a restart, would end. It is looked at again, and the others need not wait.
 */
static void look_later(struct manager *manager, struct card *card, int error) {
	if (error != card->trouble) {
		log_error("%s: Not all of it can be used yet: %s. Trying again", card->device,
			strerror(-error));
	}
	card->trouble = error;
	card->stale = true;
	retry_later(&manager->retry);
	end_preparing(manager, card);
}

static void add_scanout(struct manager *manager, struct card *card,
	const struct card_connector *connector, struct scanout *scanout) {
	card_add_scanout(card, connector, scanout);
	manager_settle(manager, scanout);
	if (manager->observer) {
		manager->observer->added(manager->observer_data, scanout);
	}
}

/* Brings a scanout in line with what its connector is like now. */
static void update_scanout(struct manager *manager, struct scanout *scanout) {
	int i = card_find_connector(scanout->card, scanout->connector);
	bool connected = i >= 0 && scanout->card->snapshot.connectors[i].connected;
	struct card_mode preferred =
		i >= 0 ? scanout->card->snapshot.connectors[i].preferred : (struct card_mode){0};

	/* The refresh rate alone is no other size. */
	bool resized = preferred.width != scanout->preferred.width ||
		       preferred.height != scanout->preferred.height;
	scanout->preferred = preferred;
	if (resized && manager->observer) {
		manager->observer->changed(manager->observer_data, scanout);
	}
	if (i < 0 && scanout->state == SCANOUT_LEASED) {
		int r = manager_end_lease(manager, scanout->lease, LEASE_UNPLUGGED);
		if (r < 0) {
			look_later(manager, scanout->card, r);
		}
	} else if (connected ? scanout->state == SCANOUT_ABSENT : scanout->state == SCANOUT_FREE) {
		manager_settle(manager, scanout);
	}
}

/* Enters the leases and the pictures that the kernel kept while no daemon ran. */
static void adopt(struct manager *manager, struct card *card, struct survey *survey) {
	for (unsigned i = 0; i < survey->n_found; i++) {
		struct state_lease *found = &survey->found[i];
		struct scanout *scanout;
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if (scanout->connector != found->objects.connector) {
				continue;
			}
			if (found->until > 0) {
				manager_adopt_picture(manager, scanout, found);
			} else if (survey->leases[i]) {
				manager_adopt_lease(
					manager, scanout, found, TAKE_PTR(survey->leases[i]));
			}
		}
	}
}

static bool has_scanout(const struct card *card, const struct card_connector *connector) {
	const struct scanout *scanout;
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		if (scanout->connector == connector->id) {
			return true;
		}
	}
	return false;
}

/* Memory for what was found, before any of it is entered. */
static int reserve(struct survey *survey) {
	for (unsigned i = 0; i < survey->n_found; i++) {
		survey->leases[i] = lease_new(&survey->found[i].holder, survey->found[i].label);
		if (!survey->leases[i]) {
			return -ENOMEM;
		}
	}
	for (unsigned i = 0; i < survey->snapshot.n_connectors; i++) {
		if (has_scanout(survey->card, &survey->snapshot.connectors[i])) {
			continue;
		}
		survey->scanouts[i] = calloc(1, sizeof(*survey->scanouts[i]));
		if (!survey->scanouts[i]) {
			return -ENOMEM;
		}
	}
	return 0;
}

static void take_over_snapshot(struct manager *manager, struct card *card, struct survey *survey) {
	struct scanout *scanout;
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		update_scanout(manager, scanout);
	}
	for (unsigned i = 0; i < card->snapshot.n_connectors; i++) {
		if (survey->scanouts[i]) {
			add_scanout(manager, card, &card->snapshot.connectors[i],
				TAKE_PTR(survey->scanouts[i]));
		}
	}
	FAILPOINT("start-adopt");
	adopt(manager, card, survey);
	manager_serve_queue(manager);
}

static void survey_done(struct survey *survey, int result) {
	struct manager *manager = survey->manager;
	struct card *card = survey->card;
	bool first = !card->ready;

	if (result == -ECANCELED) { // the card is gone
		survey_free(survey);
		return;
	}
	card->updating = false;
	if (result >= 0) {
		result = reserve(survey);
	}
	if (result < 0) {
		survey_give_back(survey);
		survey_free(survey);
		look_later(manager, card, result);
		return;
	}
	int unconnected = survey->unconnected;
	card->trouble = 0;
	card->snapshot = survey->snapshot;
	card->ready = true;
	take_over_snapshot(manager, card, survey);
	survey_free(survey);
	if (retry_helps(unconnected) && unconnected < 0) {
		look_later(manager, card, unconnected);
	}
	if (first) {
		log_info("%s: %u scanouts", card->device, card->snapshot.n_connectors);
		end_preparing(manager, card);
	}
	if (card->outdated) {
		card->outdated = false;
		inventory_update(manager, card);
	}
}

static void survey_overdue(struct survey *survey) {
	log_warning("%s: Does not answer: a process holds a modeset lock. Waiting for it",
		survey->card->device);
	/* The other cards need not wait. */
	end_preparing(survey->manager, survey->card);
}

static int submit_survey(struct manager *manager, struct card *card) {
	int r = survey_submit(manager, card, survey_done, survey_overdue);
	card->updating = r >= 0;
	return r;
}

bool inventory_wants(const struct manager *manager, const char *device) {
	char **devices = manager->config.devices;
	return !devices || string_list_contains(devices, device);
}

/* In the order of their nodes, whatever came first: people read lists of them. */
static void insert(struct manager *manager, struct card *card) {
	struct card *next;
	TAILQ_FOREACH (next, &manager->cards, link) {
		if (strverscmp(card->device, next->device) < 0) {
			TAILQ_INSERT_BEFORE(next, card, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&manager->cards, card, link);
}

/* Takes over an open fd of the card, on success only. `store_name`: of the last daemon, or NULL.
 */
static int add_card(struct manager *manager, const char *device, int fd, const char *store_name) {
	struct card *card;
	int r = card_new(manager->ops, manager->event, device, fd, &card);
	if (r < 0) {
		return r;
	}
	insert(manager, card);
	card->preparing = true;
	manager->preparing++;
	if (store_name) {
		snprintf(card->store_name, sizeof(card->store_name), "%s", store_name);
	} else if (!manager->seat) {
		/* What a seat manager opened is the seat manager's to keep. */
		state_name_card(card);
	}
	if (card->store_name[0] != '\0') {
		state_keep_card(card); // systemd sees whether it has that file already
	}
	inventory_update(manager, card);
	return 0;
}

int inventory_add(struct manager *manager, const char *device) {
	AUTO_CLOSE int fd = -1;
	int r = 0;
	if (manager->seat) {
		r = fd = seat_open_device(manager->seat, device);
	}
	if (r >= 0) {
		r = manager->ops->open(device, fd);
	}
	if (r >= 0) {
		fd = r;
		r = add_card(manager, device, fd, NULL);
	}
	if (r >= 0) {
		fd = -1; // the card's
	} else if (r == -EBUSY && manager->closing > 0) {
		log_info("%s: Waiting for a card that is not closed yet", device);
		manager->unopened = true; // worker_gone() looks again
	} else if (r == -EBUSY) {
		char who[256];
		manager->ops->describe_master(device, who, sizeof(who));
		log_error("%s: Already in the hands of %s, which is its DRM master. End that "
			  "process, or name other cards in Devices= of scanoutd.conf",
			device, who);
	} else if (r == -ENODEV) {
		log_info("%s: Not ready yet", device);
	} else if (r != -ENXIO) {
		log_error("%s: Cannot be used: %s", device, strerror(-r));
	}
	if (r < 0 && retry_helps(r)) {
		manager->unopened = true;
		retry_later(&manager->retry);
	}
	return r;
}

void inventory_look(struct manager *manager) {
	char found[MAX_CARDS][64];
	int n = manager->ops->enumerate(found, MAX_CARDS);
	manager->unopened = n < 0;
	if (n < 0) {
		log_error("Cannot look for cards in /dev/dri: %s", strerror(-n));
		retry_later(&manager->retry);
	}
	for (int i = 0; i < n; i++) {
		if (!manager_find_card(manager, found[i]) && inventory_wants(manager, found[i])) {
			inventory_add(manager, found[i]);
		}
	}
}

/* Takes the fd over on success only. -ENODEV: it has no node any more; 1: it is not wanted. */
static int adopt_card(struct manager *manager, int fd, const char *name) {
	char device[64];
	int r = manager->ops->find_node(fd, &device);
	if (r < 0) {
		return r;
	}
	if (!inventory_wants(manager, device) || manager_find_card(manager, device)) {
		return 1;
	}
	r = manager->ops->open(device, fd);
	if (r >= 0) {
		r = add_card(manager, device, fd, name);
	}
	if (r >= 0) {
		log_info("%s: Taken over from the last daemon, with its leases", device);
	}
	return r;
}

/* Whether the error tells that its leases have ended, or will not come back. */
static bool is_of_no_use(int r) {
	return r > 0 || r == -ENODEV || r == -ENOENT || r == -ENXIO || r == -EBUSY;
}

int inventory_adopt(struct manager *manager, struct passed *passed) {
	const char *name;
	int taken, result = 0;
	while ((taken = passed_take(passed, STATE_LEASE_PREFIX, &name)) >= 0) {
		state_give(&manager->state, name, taken);
	}
	while ((taken = passed_take(passed, STATE_FD_PREFIX, &name)) >= 0) {
		int r = adopt_card(manager, taken, name);
		if (r == 0) {
			continue;
		}
		close(taken);
		if (!is_of_no_use(r)) {
			/* It stays in the store, where its leases live, and is for the next start.
			 */
			log_error("%s: A card from the last daemon cannot be taken over now: %s",
				name, strerror(-r));
			result = r;
			continue;
		}
		result = r < 0 && result == 0 ? 1 : result;
		log_warning("%s: A card from the last daemon is of no use: %s", name,
			r < 0 ? strerror(-r) : "Devices= does not name it");
		state_forget_card(name);
	}
	return result;
}

void inventory_update(struct manager *manager, struct card *card) {
	/* Paused: the kernel probes connectors for its master only. */
	if (card->updating || manager->paused) {
		card->outdated = true;
		return;
	}
	card->stale = false;
	int r = submit_survey(manager, card);
	if (r < 0) {
		look_later(manager, card, r);
	}
}

static void worker_gone(void *data) {
	struct card *card = data;
	struct manager *manager = card->manager;
	card_destroy(card);
	manager->closing--;
	if (manager->unopened) {
		retry_later(&manager->retry);
	}
}

void inventory_remove(struct manager *manager, struct card *card) {
	struct scanout *scanout;
	TAILQ_REMOVE(&manager->cards, card, link);
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		if (scanout->lease) {
			manager_end_lease(manager, scanout->lease, LEASE_DEVICE_GONE);
		}
		if (manager->observer) {
			manager->observer->removed(manager->observer_data, scanout);
		}
	}
	log_info("%s: No longer used", card->device);
	state_forget_card(card->store_name);
	end_preparing(manager, card);
	card->manager = manager;
	manager->closing++;
	worker_stop(card->worker, worker_gone, card);
	manager_serve_queue(manager);
}
