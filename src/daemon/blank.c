#include "blank.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "failpoint.h"
#include "linger.h"
#include "log.h"
#include "manager.h"
#include "worker.h"

/* A blank takes about a millisecond; only somebody else's modeset lock makes it wait. */
#define BLANK_DEADLINE_USEC 2000000

struct blank_job {
	struct worker_job job;
	struct manager *manager;
	struct scanout *scanout;
	const struct card_ops *ops;
	int fd;
	struct card_objects objects;
	uint32_t framebuffer; // 0, or to be dropped when it is not shown any more
	int copy_fd;          // of the lease's file, to be closed here: see picture.c; or -1
};

static int run(struct worker_job *job) {
	struct blank_job *blank = (struct blank_job *)job;
	int r = FAILPOINT("end-blank");
	if (r >= 0) {
		r = blank->ops->blank(blank->fd, &blank->objects);
	}
	if (r >= 0 && blank->framebuffer) {
		blank->ops->drop(blank->fd, blank->framebuffer);
	}
	if (blank->copy_fd >= 0) {
		close(blank->copy_fd);
		blank->copy_fd = -1;
	}
	return r;
}

static void overdue(struct worker_job *job) {
	struct blank_job *blank = (struct blank_job *)job;
	log_object(LOG_WARNING, blank->scanout,
		"Blanking does not come back: a lessee's commit holds a modeset lock. The scanout is "
		"stuck until it does");
	manager_set_state(
		blank->manager, blank->scanout, SCANOUT_STUCK, "blanking waits for a modeset lock");
	manager_serve_queue(blank->manager);
}

/* Only the card's master can blank it. */
static void hold(struct manager *manager, struct scanout *scanout) {
	scanout->held = true;
	manager_set_state(
		manager, scanout, SCANOUT_DRAINING, "to be blanked when the seat is back");
}

static void fail(struct manager *manager, struct scanout *scanout, int error) {
	char reason[96];
	snprintf(reason, sizeof(reason), "blanking failed: %s", strerror(-error));
	if (scanout->state != SCANOUT_STUCK || strcmp(scanout->reason, reason) != 0) {
		log_object(LOG_ERR, scanout,
			"Cannot be blanked: %s. It is not given to anybody, since the next holder "
			"would see the last picture; trying again",
			strerror(-error));
		manager_set_state(manager, scanout, SCANOUT_STUCK, reason);
	}
	scanout->unblanked = true;
	retry_later(&manager->retry);
}

static void done(struct worker_job *job, int result) {
	struct blank_job *blank = (struct blank_job *)job;
	struct manager *manager = blank->manager;
	struct scanout *scanout = blank->scanout;
	uint32_t framebuffer = blank->framebuffer;
	cleanup_close(&blank->copy_fd); // if the worker was stopped before
	free(blank);

	if (result == -ECANCELED) { // the card is gone, and its scanouts with it
		return;
	}
	if (result < 0 && manager->paused) {
		hold(manager, scanout);
	} else if (result < 0) {
		fail(manager, scanout, result);
	} else {
		FAILPOINT("end-settle");
		scanout->mode = (struct card_mode){0};
		/* A takeover that came to nothing may have adopted one meanwhile: for next time. */
		scanout->framebuffer =
			scanout->framebuffer == framebuffer ? 0 : scanout->framebuffer;
		scanout->freed = ++manager->n_freed;
		manager_settle(manager, scanout); // excluded or unplugged in the meantime?
	}
	manager_serve_queue(manager);
}

static void submit(struct manager *manager, struct scanout *scanout) {
	if (manager->paused) {
		hold(manager, scanout);
		return;
	}
	scanout->held = false;
	struct blank_job *blank = calloc(1, sizeof(*blank));
	if (blank) {
		*blank = (struct blank_job){
			.job = {.run = run,
				.done = done,
				.overdue = overdue,
				.deadline_usec = BLANK_DEADLINE_USEC},
			.manager = manager,
			.scanout = scanout,
			.ops = scanout->card->ops,
			.fd = scanout->card->fd,
			.objects = scanout->objects,
			.framebuffer = scanout->framebuffer,
			.copy_fd = linger_take_copy(scanout),
		};
		linger_destroy(scanout->linger);
		scanout->linger = NULL;
		if (worker_submit(scanout->card->worker, &blank->job) == 0) {
			return;
		}
		cleanup_close(&blank->copy_fd);
		free(blank);
	}
	fail(manager, scanout, -ENOMEM);
}

void blank_scanout(struct manager *manager, struct scanout *scanout) {
	scanout->unblanked = false;
	manager_set_state(manager, scanout, SCANOUT_DRAINING, "");
	submit(manager, scanout);
}

/* Still stuck, and looks so, until it worked. */
void blank_again(struct manager *manager, struct scanout *scanout) {
	scanout->unblanked = false;
	submit(manager, scanout);
}
