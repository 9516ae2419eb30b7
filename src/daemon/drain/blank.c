#include "daemon/drain/blank.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/drain/linger.h"
#include "daemon/kms/worker.h"
#include "daemon/model/card.h"
#include "daemon/model/scanout.h"
#include "daemon/util/failpoint.h"

/* A blank takes about a millisecond; only somebody else's modeset lock makes it wait. */
#define BLANK_DEADLINE_USEC 2000000

struct blank_job {
	struct worker_job job;
	struct scanout *scanout;
	void (*overdue)(struct scanout *scanout);
	void (*done)(struct scanout *scanout, int result);
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
	blank->overdue(blank->scanout);
}

static void done(struct worker_job *job, int result) {
	CLEANUP(cleanup_free) struct blank_job *blank = (struct blank_job *)job;
	struct scanout *scanout = blank->scanout;
	cleanup_close(&blank->copy_fd); // if the worker was stopped before
	if (result == -ECANCELED) {     // the card is gone, and its scanouts with it
		return;
	}
	/* A takeover that came to nothing may have adopted another one meanwhile: for next time. */
	if (result >= 0 && scanout->framebuffer == blank->framebuffer) {
		scanout->framebuffer = 0;
	}
	blank->done(scanout, result);
}

int blank_submit(struct scanout *scanout, void (*overdue_fn)(struct scanout *scanout),
	void (*done_fn)(struct scanout *scanout, int result)) {
	struct blank_job *blank = calloc(1, sizeof(*blank));
	if (!blank) {
		return -ENOMEM;
	}
	*blank = (struct blank_job){
		.job = {.run = run,
			.done = done,
			.overdue = overdue,
			.deadline_usec = BLANK_DEADLINE_USEC},
		.scanout = scanout,
		.overdue = overdue_fn,
		.done = done_fn,
		.ops = scanout->card->ops,
		.fd = scanout->card->fd,
		.objects = scanout->objects,
		.framebuffer = scanout->framebuffer,
		.copy_fd = linger_take_copy(scanout),
	};
	linger_destroy(scanout->linger);
	scanout->linger = NULL;
	int r = worker_submit(scanout->card->worker, &blank->job);
	if (r < 0) {
		cleanup_close(&blank->copy_fd);
		free(blank);
	}
	return r;
}
