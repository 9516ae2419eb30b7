#include "daemon/core/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/manager.h"
#include "daemon/core/restore.h"
#include "daemon/core/selection.h"
#include "daemon/core/state.h"
#include "daemon/core/survey.h"
#include "daemon/core/terminate.h"
#include "daemon/drain/drain.h"
#include "daemon/kms/seat.h"
#include "daemon/kms/worker.h"
#include "daemon/model/policy.h"
#include "daemon/util/failpoint.h"
#include "daemon/util/log.h"
#include "daemon/util/passed.h"

static void end_preparing(struct manager *manager, struct card *card) {
	if (!card->preparing) {
		return;
	}
	card->preparing = false;
	if (--manager->preparing == 0) {
		manager_tell(manager, prepared);
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
	scanout->excluded = policy_is_excluded(&manager->config, scanout->id);
	drain_settle(scanout);
	manager_tell(manager, added, scanout);
}

/* Brings a scanout in line with what its connector is like now. */
static void update_scanout(struct manager *manager, struct scanout *scanout) {
	int i = card_find_connector(scanout->card, scanout->connector);
	bool connected = i >= 0 && scanout->card->snapshot.connectors[i].connected;
	struct card_mode preferred = card_size_scanout(scanout->card, scanout);

	/* The refresh rate alone is no other size. */
	bool resized = preferred.width != scanout->preferred.width ||
		       preferred.height != scanout->preferred.height;
	scanout->preferred = preferred;
	if (resized) {
		manager_tell(manager, changed, scanout);
	}
	enum scanout_state state = scanout_state(scanout);
	if (i < 0 && state == SCANOUT_LEASED) {
		int r = lease_terminate(manager, scanout->lease, LEASE_UNPLUGGED);
		if (r < 0) {
			look_later(manager, scanout->card, r);
		}
	} else if (connected ? state == SCANOUT_ABSENT : state == SCANOUT_FREE) {
		drain_settle(scanout);
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
	restore(manager, card, survey);
	queue_wake(&manager->queue);
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
	int r = card_new(manager->ops, &manager->host, device, fd, &card);
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
		card_name(card);
	}
	if (card->store_name[0] != '\0') {
		fdstore_keep_card(card->device, card->store_name,
			card->fd); // systemd sees whether it has that file already
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
	manager->unopened = n < 0 || selection_waits_for_link(manager);
	if (n < 0) {
		log_error("Cannot look for cards in /dev/dri: %s", strerror(-n));
	}
	if (manager->unopened) {
		retry_later(&manager->retry);
	}
	for (int i = 0; i < n; i++) {
		int wanted = manager_find_card(manager, found[i])
				     ? 0
				     : selection_has_card(manager, found[i]);
		if (wanted > 0) {
			inventory_add(manager, found[i]);
		} else if (wanted < 0) {
			manager->unopened = true;
			retry_later(&manager->retry);
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
	r = selection_has_card(manager, device);
	if (r <= 0 || manager_find_card(manager, device)) {
		return r < 0 ? -EAGAIN : 1;
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
	while ((taken = passed_take(passed, FDSTORE_LEASE, &name)) >= 0) {
		state_give(&manager->state, name, taken);
	}
	while ((taken = passed_take(passed, FDSTORE_CARD, &name)) >= 0) {
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
		log_warning("%s: A card from the last daemon is of no use: %s", name,
			r < 0 ? strerror(-r) : "Devices= does not mean it");
		fdstore_forget(name);
	}
	return result;
}

void inventory_update(struct manager *manager, struct card *card) {
	/* Paused: the kernel probes connectors for its master only. */
	if (card->updating || manager->host.paused) {
		card->outdated = true;
		return;
	}
	card->stale = false;
	int r = submit_survey(manager, card);
	if (r < 0) {
		look_later(manager, card, r);
	}
}

void inventory_update_all(struct manager *manager) {
	struct card *card;
	TAILQ_FOREACH (card, &manager->cards, link) {
		inventory_update(manager, card);
	}
}

static void worker_gone(void *data) {
	struct card *card = data;
	struct manager *manager = card->manager;
	manager_destroy_card(card);
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
			lease_terminate(manager, scanout->lease, LEASE_DEVICE_GONE);
		}
		drain_unclaim(scanout);
		manager_tell(manager, removed, scanout);
	}
	log_info("%s: No longer used", card->device);
	fdstore_forget(card->store_name);
	end_preparing(manager, card);
	card->manager = manager;
	manager->closing++;
	if (selection_waits_for_link(manager)) {
		manager->unopened = true; // udev makes it again after the kernel's events
		retry_later(&manager->retry);
	}
	worker_stop(card->worker, worker_gone, card);
	queue_wake(&manager->queue);
}
