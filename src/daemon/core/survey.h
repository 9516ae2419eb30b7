/* A look at a card on its worker: what it has, and whose it is. */
#ifndef SCANOUTD_SURVEY_H
#define SCANOUTD_SURVEY_H

#include "daemon/core/state.h"
#include "daemon/kms/worker.h"
#include "daemon/model/card.h"

struct manager;

struct survey {
	struct worker_job job;
	struct manager *manager;
	struct card *card;
	void (*done)(struct survey *survey, int result);
	void (*overdue)(struct survey *survey);

	/* For the worker, which must not touch the card or the config: copies. */
	const struct card_ops *ops;
	int fd;
	char device[64];
	char **exclude;
	bool force_connect;
	struct card_mode usual; // by DefaultSize=
	bool first;             // of this card by this daemon: blank what is nobody's
	struct state_lease known[CARD_MAX_OBJECTS]; // leases and pictures by the state file
	unsigned n_known;

	/* The result. */
	struct card_snapshot snapshot;
	/* At the first look: leases that the kernel has, and pictures that linger. */
	struct state_lease found[CARD_MAX_OBJECTS];
	unsigned n_found;
	/* Memory for them, and for the scanouts of new connectors: of the loop. */
	struct lease *leases[CARD_MAX_OBJECTS];
	struct scanout *scanouts[CARD_MAX_OBJECTS];
	int unconnected; // a negative errno: an output could not be connected
};

/*
 * Connects outputs if ForceConnect= says so and takes a snapshot. The first look at a card also
 * finds the leases that outlived the last daemon and switches off everything else.
 * `done` owns the survey; with -ECANCELED the card is gone. `overdue` is called once if a lock
 * makes it wait. Returns 0 or a negative errno.
 */
int survey_submit(struct manager *manager, struct card *card,
	void (*done)(struct survey *survey, int result), void (*overdue)(struct survey *survey));
/* It failed: what it took from the state file is for the next one. The card is still there. */
void survey_give_back(struct survey *survey);
void survey_free(struct survey *survey);

#endif
