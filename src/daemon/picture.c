#include "picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blank.h"
#include "common/cleanup.h"
#include "linger.h"
#include "log.h"
#include "manager.h"
#include "worker.h"

/* Two framebuffer calls and a flip take some milliseconds, but for another's modeset lock. */
#define DEADLINE_USEC 2000000

/* Longer than a commit takes that nobody holds up, and one frame at 60 Hz. */
#define SETTLE_NSEC 20000000
#define MAX_LOOKS 5

struct picture_look {
	struct worker_job job;
	struct manager *manager;
	struct scanout *scanout;
	const struct card_ops *ops;
	int fd;
	struct card_objects objects;
	uint32_t framebuffer; // the one adopted before; then the one adopted now
	int copy_fd;          // of the lease's file: not needed once the picture is ours; or -1
	bool ended;           // the lease, when the look began
};

/*
 * A flip that waits for a modeset lock while its lease is revoked, or its process killed, is shown
 * all the same, and nothing tells when none is left (drm_mode_page_flip_ioctl looks the CRTC up
 * before it locks, Linux 6.1). So what is to stand for good has to be the same twice.
 */
static int adopt(struct picture_look *look) {
	bool for_good = look->ended || look->copy_fd >= 0;
	uint32_t before;
	int looks = 0, r;
	do {
		before = look->framebuffer;
		if (looks > 0) {
			nanosleep(&(struct timespec){.tv_nsec = SETTLE_NSEC}, NULL);
		}
		r = look->ops->adopt(look->fd, &look->objects, &look->framebuffer);
		looks++;
	} while (r >= 0 && for_good && looks < MAX_LOOKS &&
		 (looks == 1 || look->framebuffer != before));
	return r;
}

static int run(struct worker_job *job) {
	struct picture_look *look = (struct picture_look *)job;
	int r = adopt(look);
	if (look->copy_fd >= 0) {
		/* Here: the last close of a lease takes its framebuffers off the card, behind the
		 * same locks. */
		close(look->copy_fd);
		look->copy_fd = -1;
	}
	return r;
}

static void overdue(struct worker_job *job);
static void done(struct worker_job *job, int result);

static bool submit(struct manager *manager, struct scanout *scanout, bool ended) {
	/* A second one would not know what the first adopts, and neither would drop it. */
	struct picture_look *look = scanout->late_look ? NULL : calloc(1, sizeof(*look));
	if (!look) {
		return false;
	}
	*look = (struct picture_look){
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
		.copy_fd = ended || linger_is_due(scanout) ? linger_take_copy(scanout) : -1,
		.ended = ended,
	};
	if (worker_submit(scanout->card->worker, &look->job) < 0) {
		cleanup_close(&look->copy_fd);
		free(look);
		return false;
	}
	scanout->look = look;
	return true;
}

/* The lease has ended, and so has all that could be done for its picture. */
static void stand(struct manager *manager, struct scanout *scanout, bool adopted) {
	scanout->picture = adopted ? PICTURE_STANDS : PICTURE_THEIRS;
	manager_serve_queue(manager);
	if (!scanout->lease && !(adopted && linger_start(scanout))) {
		scanout->picture = PICTURE_THEIRS;
		blank_scanout(manager, scanout);
	}
}

/* What comes after a look, if anybody still wants it. */
static void go_on(struct manager *manager, struct scanout *scanout, bool adopted) {
	if (scanout->picture == PICTURE_ADOPTING) {
		scanout->picture = adopted ? PICTURE_ADOPTED : PICTURE_FAILED;
		manager_serve_queue(manager);
		if (scanout->lease) { // nobody waits for its end
			scanout->picture = PICTURE_THEIRS;
			linger_advance(scanout);
		}
	} else if (scanout->picture == PICTURE_CHECKING) {
		stand(manager, scanout, adopted);
	}
}

static void overdue(struct worker_job *job) {
	struct picture_look *look = (struct picture_look *)job;
	log_object(LOG_WARNING, look->scanout,
		"The picture cannot be kept: a lessee's commit holds a modeset lock");
	look->scanout->look = NULL; // nobody waits for it any more
	look->scanout->late_look = true;
	go_on(look->manager, look->scanout, false);
}

static void done(struct worker_job *job, int result) {
	CLEANUP(cleanup_free) struct picture_look *look = (struct picture_look *)job;
	struct manager *manager = look->manager;
	struct scanout *scanout = look->scanout;

	cleanup_close(&look->copy_fd); // if the worker was stopped before
	if (result == -ECANCELED) {    // the card is gone, and its scanouts with it
		return;
	}
	scanout->framebuffer = look->framebuffer;
	if (result < 0) {
		log_object(
			LOG_WARNING, scanout, "The picture cannot be kept: %s", strerror(-result));
	}
	if (scanout->look != look) {
		scanout->late_look = false;
		linger_advance(scanout); // if it waited for that
		return;
	}
	scanout->look = NULL;
	if (scanout->picture == PICTURE_CHECKING && !look->ended &&
		submit(manager, scanout, true)) {
		return; // it ended meanwhile
	}
	go_on(manager, scanout, result >= 0);
}

void picture_adopt(struct manager *manager, struct scanout *scanout) {
	scanout->picture = submit(manager, scanout, false) ? PICTURE_ADOPTING : PICTURE_FAILED;
}

void picture_hand_over(struct manager *manager, struct scanout *scanout) {
	bool lost = scanout->picture == PICTURE_FAILED;
	scanout->picture = PICTURE_CHECKING;
	manager_set_state(manager, scanout, SCANOUT_DRAINING, "");
	if (!lost && (scanout->look || submit(manager, scanout, true))) {
		return;
	}
	scanout->picture = PICTURE_THEIRS;
	blank_scanout(manager, scanout);
}
