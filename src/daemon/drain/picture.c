#include "daemon/drain/picture.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/drain/linger.h"
#include "daemon/kms/worker.h"
#include "daemon/model/card.h"
#include "daemon/model/scanout.h"
#include "daemon/model/scanout_log.h"

/* Two framebuffer calls and a flip take some milliseconds, but for another's modeset lock. */
#define DEADLINE_USEC 2000000

/* Longer than a commit takes that nobody holds up, and one frame at 60 Hz. */
#define SETTLE_NSEC 20000000
#define MAX_LOOKS 5

struct picture_look {
	struct worker_job job;
	struct scanout *scanout;
	void (*done)(struct scanout *scanout, bool ended, int result);
	void (*late)(struct scanout *scanout);
	const struct card_ops *ops;
	int fd;
	struct card_objects objects;
	uint32_t framebuffer; // the one adopted before; then the one adopted now
	int copy_fd;          // of the lease's file: not needed once the picture is ours; or -1
	bool ended;           // the lease, when the look began
};

/* Until every CPU has left the code of the kernel that it was in, unless a task sleeps there. glibc
 * has no function for it. */
static void membarrier_global(void) {
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

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
			/* First: a virtual CPU that its host has taken away for longer gets on. */
			membarrier_global();
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

static void overdue(struct worker_job *job) {
	struct picture_look *look = (struct picture_look *)job;
	scanout_log(LOG_WARNING, look->scanout,
		"The picture cannot be kept: a lessee's commit holds a modeset lock");
	look->scanout->look = NULL; // nobody waits for it any more
	look->scanout->late_look = true;
	look->done(look->scanout, look->ended, -ETIMEDOUT);
}

static void done(struct worker_job *job, int result) {
	CLEANUP(cleanup_free) struct picture_look *look = (struct picture_look *)job;
	struct scanout *scanout = look->scanout;

	cleanup_close(&look->copy_fd); // if the worker was stopped before
	if (result == -ECANCELED) {    // the card is gone, and its scanouts with it
		return;
	}
	scanout->framebuffer = look->framebuffer;
	if (result < 0) {
		scanout_log(
			LOG_WARNING, scanout, "The picture cannot be kept: %s", strerror(-result));
	}
	if (scanout->look == look) {
		scanout->look = NULL;
		look->done(scanout, look->ended, result);
	} else {
		scanout->late_look = false;
		look->late(scanout);
	}
}

int picture_look(struct scanout *scanout, bool ended,
	void (*done_fn)(struct scanout *scanout, bool ended, int result),
	void (*late_fn)(struct scanout *scanout)) {
	if (scanout->late_look) {
		return -EBUSY; // neither would know what the other adopts, or drop it
	}
	struct picture_look *look = calloc(1, sizeof(*look));
	if (!look) {
		return -ENOMEM;
	}
	*look = (struct picture_look){
		.job = {.run = run,
			.done = done,
			.overdue = overdue,
			.deadline_usec = DEADLINE_USEC},
		.scanout = scanout,
		.done = done_fn,
		.late = late_fn,
		.ops = scanout->card->ops,
		.fd = scanout->card->fd,
		.objects = scanout->objects,
		.framebuffer = scanout->framebuffer,
		.copy_fd = ended || linger_is_due(scanout) ? linger_take_copy(scanout) : -1,
		.ended = ended,
	};
	int r = worker_submit(scanout->card->worker, &look->job);
	if (r < 0) {
		cleanup_close(&look->copy_fd);
		free(look);
		return r;
	}
	scanout->look = look;
	return 0;
}
