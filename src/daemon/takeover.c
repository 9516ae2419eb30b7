#include "takeover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blank.h"
#include "log.h"
#include "manager.h"
#include "worker.h"

/* Two framebuffer calls and a flip take some milliseconds, but for another's modeset lock. */
#define DEADLINE_USEC 1000000

/* Longer than a commit takes that nobody holds up, and one frame at 60 Hz. */
#define SETTLE_NSEC 20000000
#define MAX_LOOKS 5

struct takeover_job {
	struct worker_job job;
	struct manager *manager;
	struct scanout *scanout;
	const struct card_ops *ops;
	int fd;
	struct card_objects objects;
	uint32_t framebuffer; // the one adopted before; then the one adopted now
	bool ended;           // the old lease has: what is shown now is to be shown for good
	bool late;            // nobody waits for it any more
};

static int run(struct worker_job *job) {
	struct takeover_job *takeover = (struct takeover_job *)job;
	uint32_t before;
	int looks = 0, r;
	/* A flip that waits for a modeset lock while its lease is revoked is shown all the same,
	 * and nothing tells when none is left (drm_mode_page_flip_ioctl looks the CRTC up before it
	 * locks, Linux 6.1). So the picture has to be the same twice. */
	do {
		before = takeover->framebuffer;
		if (looks > 0) {
			nanosleep(&(struct timespec){.tv_nsec = SETTLE_NSEC}, NULL);
		}
		r = takeover->ops->adopt(takeover->fd, &takeover->objects, &takeover->framebuffer);
		looks++;
	} while (r >= 0 && takeover->ended && looks < MAX_LOOKS &&
		 (looks == 1 || takeover->framebuffer != before));
	return r;
}

/* What comes after a look, if anybody still wants it. */
static void go_on(struct manager *manager, struct scanout *scanout, bool adopted) {
	if (scanout->takeover == TAKEOVER_ADOPTING) {
		scanout->takeover = adopted ? TAKEOVER_ADOPTED : TAKEOVER_FAILED;
		manager_serve_queue(manager);
		scanout->takeover = scanout->lease ? TAKEOVER_NONE : scanout->takeover;
	} else if (scanout->takeover == TAKEOVER_CHECKING) {
		scanout->takeover = adopted ? TAKEOVER_READY : TAKEOVER_NONE;
		manager_serve_queue(manager);
		if (!scanout->lease) { // the request was withdrawn, or there is no picture
			scanout->takeover = TAKEOVER_NONE;
			blank_scanout(manager, scanout);
		}
	}
}

static void overdue(struct worker_job *job) {
	struct takeover_job *takeover = (struct takeover_job *)job;
	log_object(LOG_WARNING, takeover->scanout,
		"The picture cannot be kept for the takeover: a lessee's commit holds a modeset lock");
	takeover->late = true;
	go_on(takeover->manager, takeover->scanout, false);
}

static void done(struct worker_job *job, int result) {
	struct takeover_job *takeover = (struct takeover_job *)job;
	struct manager *manager = takeover->manager;
	struct scanout *scanout = takeover->scanout;
	bool late = takeover->late;

	if (result == -ECANCELED) { // the card is gone, and its scanouts with it
		free(takeover);
		return;
	}
	scanout->framebuffer = takeover->framebuffer;
	free(takeover);
	if (result < 0) {
		log_object(LOG_WARNING, scanout, "The picture cannot be kept for the takeover: %s",
			strerror(-result));
	}
	if (!late) {
		go_on(manager, scanout, result >= 0);
	}
}

static bool submit(struct manager *manager, struct scanout *scanout) {
	struct takeover_job *takeover = calloc(1, sizeof(*takeover));
	if (!takeover) {
		return false;
	}
	*takeover = (struct takeover_job){
		.job = {.run = run,
			.done = done,
			.overdue = overdue,
			.deadline_usec = DEADLINE_USEC},
		.manager = manager,
		.scanout = scanout,
		.ops = scanout->card->ops,
		.fd = scanout->card->fd,
		.objects = scanout->objects,
		.framebuffer = scanout->framebuffer,
		.ended = scanout->takeover == TAKEOVER_CHECKING,
	};
	if (worker_submit(scanout->card->worker, &takeover->job) < 0) {
		free(takeover);
		return false;
	}
	return true;
}

void takeover_advance(struct manager *manager, struct lease *old) {
	struct scanout *scanout = old->scanout;
	if (scanout->takeover == TAKEOVER_NONE) {
		scanout->takeover = TAKEOVER_ADOPTING;
		if (submit(manager, scanout)) {
			return;
		}
		scanout->takeover = TAKEOVER_FAILED;
	}
	if (scanout->takeover != TAKEOVER_ADOPTING) {
		manager_end_lease(manager, old, LEASE_TAKEOVER);
	}
}

void takeover_hand_over(struct manager *manager, struct scanout *scanout) {
	if (scanout->takeover == TAKEOVER_ADOPTED) {
		scanout->takeover = TAKEOVER_CHECKING;
		manager_set_state(manager, scanout, SCANOUT_DRAINING, "");
		if (submit(manager, scanout)) {
			return;
		}
	}
	scanout->takeover = TAKEOVER_NONE;
	blank_scanout(manager, scanout);
}
