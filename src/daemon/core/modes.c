#include "daemon/core/modes.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/core/manager.h"
#include "daemon/kms/worker.h"

/* A call over D-Bus answers within 50 ms, whatever a lessee does: the rest is for the way there and
 * back, 12 ms under emulation. */
#define PATIENCE_USEC 30000

/* One refresh: lives until its last job came back, answers when that is or patience ends. */
struct refresh {
	unsigned n_pending;
	void (*done)(void *data); // NULL once called
	void *data;
	sd_event_source *timer;
};

struct modes_job {
	struct worker_job job;
	struct manager *manager;
	struct card *card;
	const struct card_ops *ops;
	int fd;
	struct refresh *refresh;
	unsigned n;
	struct {
		uint64_t generation;
		uint32_t crtc;
		struct card_mode mode;
		int result;
	} leases[CARD_MAX_OBJECTS];
};

static int run(struct worker_job *job) {
	struct modes_job *modes = (struct modes_job *)job;
	for (unsigned i = 0; i < modes->n; i++) {
		modes->leases[i].result = modes->ops->read_mode(
			modes->fd, modes->leases[i].crtc, &modes->leases[i].mode);
	}
	return 0;
}

static void answer(struct refresh *refresh) {
	refresh->timer = sd_event_source_disable_unref(refresh->timer);
	if (refresh->done) {
		refresh->done(refresh->data);
		refresh->done = NULL;
	}
}

static void unref(struct refresh *refresh) {
	if (--refresh->n_pending == 0) {
		answer(refresh);
		free(refresh);
	}
}

static int handle_impatience(sd_event_source *source, uint64_t usec, void *data) {
	answer(data);
	return 0;
}

static void take_over(struct modes_job *modes) {
	struct scanout *scanout;
	TAILQ_FOREACH (scanout, &modes->card->scanouts, link) {
		for (unsigned i = 0; scanout->lease && i < modes->n; i++) {
			if (modes->leases[i].generation == scanout->generation &&
				modes->leases[i].result == 0 &&
				memcmp(&scanout->mode, &modes->leases[i].mode,
					sizeof(scanout->mode)) != 0) {
				scanout->mode = modes->leases[i].mode;
				manager_tell(modes->manager, changed, scanout);
			}
		}
	}
}

static void done(struct worker_job *job, int result) {
	struct modes_job *modes = (struct modes_job *)job;
	if (result == 0) {
		modes->card->refreshing = false;
		take_over(modes);
	}
	unref(modes->refresh);
	free(modes);
}

static void submit(struct manager *manager, struct card *card, struct refresh *refresh) {
	struct scanout *scanout;
	struct modes_job *modes = calloc(1, sizeof(*modes));
	if (!modes) {
		return;
	}
	*modes = (struct modes_job){
		.job = {.run = run, .done = done},
		.manager = manager,
		.card = card,
		.ops = card->ops,
		.fd = card->fd,
		.refresh = refresh,
	};
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		if (scanout->lease && modes->n < CARD_MAX_OBJECTS) {
			modes->leases[modes->n].generation = scanout->generation;
			modes->leases[modes->n++].crtc = scanout->objects.crtc;
		}
	}
	if (modes->n == 0 || worker_submit(card->worker, &modes->job) < 0) {
		free(modes);
		return;
	}
	card->refreshing = true;
	refresh->n_pending++;
}

void modes_refresh(struct manager *manager, void (*done_fn)(void *data), void *data) {
	struct card *card;
	struct refresh *refresh = calloc(1, sizeof(*refresh));
	if (!refresh ||
		sd_event_add_time_relative(manager->host.event, &refresh->timer, CLOCK_MONOTONIC,
			PATIENCE_USEC, 1000, handle_impatience, refresh) < 0) {
		free(refresh);
		done_fn(data);
		return;
	}
	refresh->n_pending = 1; // ours
	refresh->done = done_fn;
	refresh->data = data;
	TAILQ_FOREACH (card, &manager->cards, link) {
		/* One refresh at a time and card: those behind a lock must not pile up. */
		if (card->ready && !card->refreshing) {
			submit(manager, card, refresh);
		}
	}
	unref(refresh);
}
