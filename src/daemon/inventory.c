#include "inventory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "log.h"
#include "manager.h"
#include "seat.h"
#include "worker.h"

#define BIT(i) (UINT32_C(1) << (i))

/* Looks at a card on its worker, at first with everything that has to happen before a lease. */
struct survey_job {
	struct worker_job job;
	struct manager *manager;
	struct card *card;
	const struct card_ops *ops;
	int fd;
	char device[64];
	bool force_connect;
	bool blank;
	char **exclude; // a copy: the worker must not read a config that is being reloaded
	struct card_snapshot snapshot;
};

static void free_survey(struct survey_job *survey) {
	for (char **p = survey->exclude; p && *p; p++) {
		free(*p);
	}
	free(survey->exclude);
	free(survey);
}

static bool is_excluded(const struct survey_job *survey, const struct card_connector *connector) {
	char id[64];
	snprintf(id, sizeof(id), "%.20s-%s", strrchr(survey->device, '/') + 1, connector->name);
	for (char **p = survey->exclude; p && *p; p++) {
		if (strcmp(*p, id) == 0) {
			return true;
		}
	}
	return false;
}

/* Switches off what was shown before us: a console, a boot splash, the last daemon's desktops. */
static int blank_all(struct survey_job *survey) {
	const struct card_snapshot *s = &survey->snapshot;
	uint32_t kept = 0; // CRTCs of excluded outputs
	for (unsigned i = 0; i < s->n_connectors; i++) {
		for (unsigned c = 0; is_excluded(survey, &s->connectors[i]) && c < s->n_crtcs;
			c++) {
			kept |= s->crtcs[c] == s->connectors[i].current_crtc ? BIT(c) : 0;
		}
	}
	for (unsigned c = 0; c < s->n_crtcs; c++) {
		if (kept & BIT(c)) {
			continue;
		}
		struct card_objects objects = {.crtc = s->crtcs[c]};
		for (unsigned p = 0; p < s->n_planes; p++) {
			/* A plane that several CRTCs can use goes with the first of them; one that
			 * an excluded output may be showing stays. */
			uint32_t possible = s->planes[p].possible_crtcs;
			if (!(possible & kept) && possible != 0 &&
				(unsigned)__builtin_ctz(possible) == c) {
				objects.planes[objects.n_planes++] = s->planes[p].id;
			}
		}
		int r = survey->ops->blank(survey->fd, &objects);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int run_survey(struct worker_job *job) {
	struct survey_job *survey = (struct survey_job *)job;
	bool forced = false;

	int r = survey->ops->snapshot(survey->fd, &survey->snapshot);
	if (r < 0) {
		return r;
	}
	for (unsigned i = 0; survey->force_connect && i < survey->snapshot.n_connectors; i++) {
		const struct card_connector *connector = &survey->snapshot.connectors[i];
		if (!connector->connected && !is_excluded(survey, connector)) {
			r = survey->ops->force_connect(survey->device, connector->name);
			if (r < 0) {
				log_warning("%s: Cannot connect %s: %s", survey->device,
					connector->name, strerror(-r));
			} else {
				forced = true;
			}
		}
	}
	if (forced) {
		r = survey->ops->snapshot(survey->fd, &survey->snapshot);
		if (r < 0) {
			return r;
		}
	}
	return survey->blank ? blank_all(survey) : 0;
}

static void add_scanout(
	struct manager *manager, struct card *card, const struct card_connector *connector) {
	struct scanout *scanout = card_add_scanout(card, connector);
	if (!scanout) {
		log_error("%s: Cannot add %s: out of memory", card->device, connector->name);
		return;
	}
	manager_settle(manager, scanout);
	if (manager->observer) {
		manager->observer->added(manager->observer_data, scanout);
	}
}

/* Brings a scanout in line with what its connector is like now. */
static void update_scanout(struct manager *manager, struct scanout *scanout) {
	int i = card_find_connector(scanout->card, scanout->connector);
	bool connected = i >= 0 && scanout->card->snapshot.connectors[i].connected;

	if (i < 0 && scanout->state == SCANOUT_LEASED) {
		manager_end_lease(manager, scanout->lease, LEASE_UNPLUGGED);
	} else if (connected ? scanout->state == SCANOUT_ABSENT : scanout->state == SCANOUT_FREE) {
		manager_settle(manager, scanout);
	}
}

static void take_over_snapshot(struct manager *manager, struct card *card) {
	struct scanout *scanout;
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		update_scanout(manager, scanout);
	}
	for (unsigned i = 0; i < card->snapshot.n_connectors; i++) {
		bool known = false;
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			known |= scanout->connector == card->snapshot.connectors[i].id;
		}
		if (!known) {
			add_scanout(manager, card, &card->snapshot.connectors[i]);
		}
	}
	manager_serve_queue(manager);
}

static void end_preparing(struct manager *manager) {
	if (--manager->preparing == 0 && manager->observer) {
		manager->observer->prepared(manager->observer_data);
	}
}

static void survey_done(struct worker_job *job, int result) {
	struct survey_job *survey = (struct survey_job *)job;
	struct manager *manager = survey->manager;
	struct card *card = survey->card;
	bool first = !card->ready;

	if (result == -ECANCELED) { // the card is gone
		free_survey(survey);
		return;
	}
	card->updating = false;
	if (result < 0) {
		log_error("%s: Cannot be looked at: %s", card->device, strerror(-result));
		free_survey(survey);
		if (first) {
			inventory_remove(manager, card);
		}
		return;
	}
	card->snapshot = survey->snapshot;
	card->ready = true;
	free_survey(survey);
	take_over_snapshot(manager, card);
	if (first) {
		log_info("%s: %u scanouts", card->device, card->snapshot.n_connectors);
		end_preparing(manager);
	}
	if (card->outdated) {
		card->outdated = false;
		inventory_update(manager, card);
	}
}

static void survey_overdue(struct worker_job *job) {
	struct survey_job *survey = (struct survey_job *)job;
	log_warning("%s: Does not answer: a process holds a modeset lock. Waiting for it",
		survey->device);
}

static int submit_survey(struct manager *manager, struct card *card) {
	struct survey_job *survey = calloc(1, sizeof(*survey));
	if (!survey) {
		return -ENOMEM;
	}
	*survey = (struct survey_job){
		.job = {.run = run_survey,
			.done = survey_done,
			.overdue = survey_overdue,
			.deadline_usec = 5000000},
		.manager = manager,
		.card = card,
		.ops = card->ops,
		.fd = card->fd,
		.force_connect = manager->config.force_connect,
		.blank = !card->ready,
	};
	snprintf(survey->device, sizeof(survey->device), "%s", card->device);
	int r = config_copy_list(manager->config.exclude, &survey->exclude);
	if (r == 0) {
		r = worker_submit(card->worker, &survey->job);
	}
	if (r < 0) {
		free_survey(survey);
		return r;
	}
	card->updating = true;
	return 0;
}

bool inventory_wants(const struct manager *manager, const char *device) {
	for (char **p = manager->config.devices; p && *p; p++) {
		if (strcmp(*p, device) == 0) {
			return true;
		}
	}
	return !manager->config.devices;
}

int inventory_add(struct manager *manager, const char *device) {
	struct card *card;
	AUTO_CLOSE int fd = -1;
	int r = 0;
	if (manager->seat) {
		r = fd = seat_open_device(manager->seat, device);
	}
	if (r >= 0) {
		r = manager->ops->open(device, fd);
	}
	if (r == -EBUSY) {
		char who[256];
		manager->ops->describe_master(device, who, sizeof(who));
		log_error("%s: Already in the hands of %s, which is its DRM master. End that "
			  "process, or name other cards in Devices= of scanoutd.conf",
			device, who);
	} else if (r < 0 && r != -ENXIO) {
		log_error("%s: Cannot be opened: %s", device, strerror(-r));
	}
	if (r < 0) {
		return r;
	}
	fd = r;
	r = card_new(manager->ops, manager->event, device, fd, &card);
	if (r < 0) {
		log_error("%s: Cannot be used: %s", device, strerror(-r));
		return r;
	}
	fd = -1; // the card's
	TAILQ_INSERT_TAIL(&manager->cards, card, link);
	manager->preparing++;
	r = submit_survey(manager, card);
	if (r < 0) {
		log_error("%s: Cannot be used: %s", device, strerror(-r));
		inventory_remove(manager, card);
	}
	return r;
}

void inventory_update(struct manager *manager, struct card *card) {
	if (card->updating) {
		card->outdated = true;
		return;
	}
	int r = submit_survey(manager, card);
	if (r < 0) {
		log_error("%s: Cannot be looked at: %s", card->device, strerror(-r));
	}
}

static void worker_gone(void *data) {
	card_destroy(data);
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
	bool preparing = !card->ready;
	worker_stop(card->worker, worker_gone, card);
	manager_serve_queue(manager);
	if (preparing) {
		end_preparing(manager);
	}
}
