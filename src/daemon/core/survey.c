#include "daemon/core/survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/manager.h"
#include "daemon/kms/alloc.h"
#include "daemon/util/log.h"
#include "daemon/util/string_list.h"

#define BIT(i) (UINT32_C(1) << (i))
#define DEADLINE_USEC 5000000

void survey_free(struct survey *survey) {
	string_list_free(survey->exclude);
	for (unsigned i = 0; i < survey->n_known; i++) {
		state_lease_finish(&survey->known[i]);
	}
	for (unsigned i = 0; i < survey->n_found; i++) {
		state_lease_finish(&survey->found[i]);
	}
	for (unsigned i = 0; i < CARD_MAX_OBJECTS; i++) {
		lease_destroy(&survey->manager->leases, survey->leases[i]);
		free(survey->scanouts[i]);
	}
	free(survey);
}

void survey_give_back(struct survey *survey) {
	struct state *state = &survey->manager->state;
	const char *name = survey->card->store_name;
	state_give_back(state, name, survey->known, survey->n_known);
	state_give_back(state, name, survey->found, survey->n_found);
	survey->n_known = survey->n_found = 0;
}

static bool is_excluded(const struct survey *survey, const struct card_connector *connector) {
	char id[64];
	snprintf(id, sizeof(id), "%.20s-%s", strrchr(survey->device, '/') + 1, connector->name);
	return string_list_contains(survey->exclude, id);
}

/*
 * A lessee without a name: the kernel does not say what it holds, but refuses to lease that a
 * second time. Returns 1 if the connector is in somebody's hands, 0 if not.
 */
static int is_taken(struct survey *survey, unsigned i, const struct alloc_taken *taken,
	struct card_objects *ret) {
	uint32_t lessee;
	if (alloc_pick(&survey->snapshot, taken, i, ret) < 0) {
		return 0;
	}
	int fd = survey->ops->create_lease(survey->fd, ret, &lessee);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return fd == -EBUSY ? 1 : fd;
}

/* The sizes of the desktops: who lost the host's while no daemon ran keeps what it shows. */
static int read_shown(struct survey *survey) {
	for (unsigned i = 0; i < survey->n_found; i++) {
		struct state_lease *found = &survey->found[i];
		int r = survey->ops->read_mode(survey->fd, found->objects.crtc, &found->shown);
		if (r < 0 && r != -ENOENT) {
			return r;
		}
	}
	return 0;
}

static int find_leases(struct survey *survey) {
	struct alloc_taken taken = {0};
	uint32_t lessees[CARD_MAX_OBJECTS];
	int n = survey->ops->list_lessees(survey->fd, lessees, CARD_MAX_OBJECTS);
	if (n < 0) {
		return n;
	}
	n = n < CARD_MAX_OBJECTS ? n : CARD_MAX_OBJECTS;
	int nameless = n;
	for (unsigned i = 0; i < survey->n_known; i++) {
		struct state_lease *known = &survey->known[i];
		bool lives = lease_is_listed(lessees, n, known->lessee);
		if (lives || known->until > 0) {
			survey->found[survey->n_found++] = *known;
			*known = (struct state_lease){.copy_fd = -1, .asker_fd = -1};
			alloc_take(&survey->snapshot, &survey->found[survey->n_found - 1].objects,
				&taken);
			nameless -= lives;
		} else {
			state_lease_finish(known); // here: the close of a lease can wait for locks
			*known = (struct state_lease){.copy_fd = -1, .asker_fd = -1};
		}
	}
	for (unsigned i = 0; i < survey->snapshot.n_connectors && nameless > 0 &&
			     survey->n_found < CARD_MAX_OBJECTS;
		i++) {
		struct state_lease lost = {
			.holder = {.uid = (uid_t)-1}, .copy_fd = -1, .asker_fd = -1};
		int r = taken.connectors & BIT(i) ? 0 : is_taken(survey, i, &taken, &lost.objects);
		if (r < 0) {
			return r; // to take it for nobody's would blank a desktop
		}
		if (r > 0) {
			survey->found[survey->n_found++] = lost;
			alloc_take(&survey->snapshot, &lost.objects, &taken);
			nameless--;
		}
	}
	return read_shown(survey);
}

/* The CRTCs that show what is not ours to switch off. */
static uint32_t kept_crtcs(const struct survey *survey) {
	const struct card_snapshot *s = &survey->snapshot;
	uint32_t kept = 0;
	for (unsigned c = 0; c < s->n_crtcs; c++) {
		for (unsigned i = 0; i < s->n_connectors; i++) {
			if (s->crtcs[c] == s->connectors[i].current_crtc &&
				is_excluded(survey, &s->connectors[i])) {
				kept |= BIT(c);
			}
		}
		for (unsigned i = 0; i < survey->n_found; i++) {
			kept |= s->crtcs[c] == survey->found[i].objects.crtc ? BIT(c) : 0;
		}
	}
	return kept;
}

/* Switches off what was shown before us: a console, a boot splash, desktops that are gone. */
static int blank_others(struct survey *survey) {
	const struct card_snapshot *s = &survey->snapshot;
	uint32_t kept = kept_crtcs(survey);
	for (unsigned c = 0; c < s->n_crtcs; c++) {
		if (kept & BIT(c)) {
			continue;
		}
		struct card_objects objects = {.crtc = s->crtcs[c]};
		for (unsigned p = 0; p < s->n_planes; p++) {
			/* A plane that several CRTCs can use goes with the first of them; one that
			 * a kept CRTC may be showing stays. */
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

static int force_connect(struct survey *survey) {
	bool forced = false;
	for (unsigned i = 0; i < survey->snapshot.n_connectors; i++) {
		const struct card_connector *connector = &survey->snapshot.connectors[i];
		if (connector->connected || is_excluded(survey, connector)) {
			continue;
		}
		int r = survey->ops->force_connect(survey->device, connector->name);
		if (r < 0) {
			log_warning("%s: Cannot connect %s: %s", survey->device, connector->name,
				strerror(-r));
			survey->unconnected = r;
		}
		forced |= r >= 0;
	}
	return forced ? survey->ops->snapshot(survey->fd, &survey->usual, &survey->snapshot) : 0;
}

static int run(struct worker_job *job) {
	struct survey *survey = (struct survey *)job;
	int r = survey->ops->snapshot(survey->fd, &survey->usual, &survey->snapshot);
	if (r >= 0 && survey->force_connect) {
		r = force_connect(survey);
	}
	if (r >= 0 && survey->first) {
		r = find_leases(survey);
		if (r >= 0) {
			r = blank_others(survey);
		}
	}
	return r;
}

static void done(struct worker_job *job, int result) {
	struct survey *survey = (struct survey *)job;
	survey->done(survey, result);
}

static void overdue(struct worker_job *job) {
	struct survey *survey = (struct survey *)job;
	survey->overdue(survey);
}

int survey_submit(struct manager *manager, struct card *card,
	void (*done_fn)(struct survey *survey, int result),
	void (*overdue_fn)(struct survey *survey)) {
	struct survey *survey = calloc(1, sizeof(*survey));
	if (!survey) {
		return -ENOMEM;
	}
	*survey = (struct survey){
		.job = {.run = run,
			.done = done,
			.overdue = overdue,
			.deadline_usec = DEADLINE_USEC},
		.manager = manager,
		.card = card,
		.done = done_fn,
		.overdue = overdue_fn,
		.ops = card->ops,
		.fd = card->fd,
		.force_connect = manager->config.force_connect,
		.usual = {manager->config.default_width, manager->config.default_height, 0},
		.first = !card->ready,
	};
	snprintf(survey->device, sizeof(survey->device), "%s", card->device);
	if (!card->ready) {
		survey->n_known =
			(unsigned)state_take(&manager->state, card->store_name, survey->known);
	}
	int r = string_list_copy(manager->config.exclude, &survey->exclude);
	if (r == 0) {
		r = worker_submit(card->worker, &survey->job);
	}
	if (r < 0) {
		survey_give_back(survey);
		survey_free(survey);
	}
	return r;
}
