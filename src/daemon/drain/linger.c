#include "daemon/drain/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/model/card.h"
#include "daemon/model/scanout.h"
#include "daemon/model/scanout_log.h"
#include "daemon/model/state_record.h"

struct linger {
	sd_event *event;
	const struct linger_listener *listener;
	struct scanout *scanout; // NULL until the lease has begun
	uint64_t usec;           // 0: cut
	uint64_t until;          // CLOCK_MONOTONIC; 0 while the lease lives
	uint64_t generation;     // of the lease: its name in systemd's store
	int copy_fd;             // of the lease's file; -1 once somebody took it
	bool due;                // the process that asked is gone
	sd_event_source *asker;  // its pidfd
	sd_event_source *timer;  // while the picture stands
};

static uint64_t now_usec(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int handle_asker_gone(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct linger *linger = data;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	linger->due = true;
	scanout_log(LOG_INFO, linger->scanout,
		"Who asked for it is gone. If others have the lease it goes on, and only what is "
		"shown now can linger");
	linger->listener->asker_gone(linger->scanout);
	return 0;
}

static void destroy(struct linger **linger) {
	linger_destroy(*linger);
}

static struct linger *allocate(sd_event *event, uint64_t usec) {
	struct linger *linger = calloc(1, sizeof(*linger));
	if (linger) {
		linger->event = event;
		linger->usec = usec;
		linger->copy_fd = -1;
	}
	return linger;
}

/* Takes over `pidfd` on success. */
static int watch_asker(struct linger *linger, int pidfd) {
	int r = sd_event_add_io(
		linger->event, &linger->asker, pidfd, EPOLLIN, handle_asker_gone, linger);
	return r < 0 ? r : sd_event_source_set_io_fd_own(linger->asker, true);
}

int linger_new(sd_event *event, uint64_t usec, int lease_fd, pid_t pid, struct linger **ret) {
	CLEANUP(destroy) struct linger *linger = allocate(event, usec);
	if (!linger) {
		return -ENOMEM;
	}
	linger->copy_fd = fcntl(lease_fd, F_DUPFD_CLOEXEC, 3);
	AUTO_CLOSE int pidfd = linger->copy_fd < 0 ? -1 : pidfd_open(pid, 0);
	if (pidfd < 0) {
		return -errno;
	}
	int r = watch_asker(linger, pidfd);
	if (r < 0) {
		return r;
	}
	pidfd = -1;
	*ret = TAKE_PTR(linger);
	return 0;
}

void linger_begin(
	struct scanout *scanout, struct linger *linger, const struct linger_listener *listener) {
	linger_destroy(scanout->linger);
	scanout->linger = linger;
	if (linger) {
		linger->listener = listener;
		linger->scanout = scanout;
		linger->generation = scanout->generation;
		if (scanout->card->store_name[0] != '\0') { // else it ends with this process
			fdstore_keep_lease(linger->generation, linger->copy_fd,
				sd_event_source_get_io_fd(linger->asker));
		}
	}
}

void linger_destroy(struct linger *linger) {
	if (!linger) {
		return;
	}
	sd_event_source_disable_unref(linger->asker);
	sd_event_source_disable_unref(linger->timer);
	cleanup_close(&linger->copy_fd);
	free(linger);
}

int linger_restore(struct scanout *scanout, struct state_lease *found,
	const struct linger_listener *listener) {
	CLEANUP(destroy)
	struct linger *linger = allocate(scanout->card->host->event, found->linger_usec);
	if (!linger) {
		return -ENOMEM;
	}
	if (found->until == 0) {
		int r = found->copy_fd < 0 || found->asker_fd < 0
				? -EBADF
				: watch_asker(linger, found->asker_fd);
		if (r < 0) {
			return r;
		}
		found->asker_fd = -1;
		linger->copy_fd = TAKE_FD(found->copy_fd);
		/* systemd sees whether it has them already. */
		fdstore_keep_lease(found->generation, linger->copy_fd,
			sd_event_source_get_io_fd(linger->asker));
	}
	linger->listener = listener;
	linger->scanout = scanout;
	linger->generation = found->generation;
	linger->until = found->until;
	scanout->linger = TAKE_PTR(linger);
	return 0;
}

int linger_take_copy(struct scanout *scanout) {
	struct linger *linger = scanout->linger;
	if (!linger || linger->copy_fd < 0) {
		return -1;
	}
	linger->asker = sd_event_source_disable_unref(linger->asker);
	fdstore_forget_lease(linger->generation);
	int copy_fd = TAKE_FD(linger->copy_fd);
	if (scanout->lease) { // linger_usec() is another now
		scanout_tell(scanout, changed);
		scanout_tell(scanout, recorded);
	}
	return copy_fd;
}

bool linger_is_due(const struct scanout *scanout) {
	return scanout->linger && scanout->linger->due && scanout->linger->copy_fd >= 0;
}

static int handle_over(sd_event_source *source, uint64_t usec, void *data) {
	struct linger *linger = data;
	linger->listener->over(linger->scanout);
	return 0;
}

bool linger_start(struct scanout *scanout) {
	struct linger *linger = scanout->linger;
	if (!linger || linger->usec == 0) {
		return false;
	}
	if (linger->until == 0) {
		linger->until = now_usec() + linger->usec;
	}
	return sd_event_add_time(linger->event, &linger->timer, CLOCK_MONOTONIC, linger->until,
		       1000, handle_over, linger) >= 0;
}

bool linger_is_on(const struct scanout *scanout) {
	return scanout->phase == PHASE_STANDING && scanout->linger && scanout->linger->timer;
}

void linger_give_up(struct scanout *scanout) {
	if (scanout->linger) {
		scanout->linger->usec = 0;
	}
}

uint64_t linger_usec(const struct scanout *scanout) {
	const struct linger *linger = scanout->linger;
	return !linger || (scanout->lease && linger->copy_fd < 0) ? 0 : linger->usec;
}

uint64_t linger_until(const struct scanout *scanout) {
	return scanout->linger ? scanout->linger->until : 0;
}
