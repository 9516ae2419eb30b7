#include "daemon/drain/drain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "daemon/drain/blank.h"
#include "daemon/drain/linger.h"
#include "daemon/drain/picture.h"
#include "daemon/model/card.h"
#include "daemon/model/scanout_log.h"
#include "daemon/util/failpoint.h"

static void enter(struct scanout *scanout, enum scanout_phase phase, const char *reason) {
	enum scanout_state before = scanout_state(scanout);
	scanout->phase = phase;
	bool other = scanout_state(scanout) != before || scanout->since == 0;
	if (other) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		scanout->since = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	}
	if (other || strcmp(scanout->reason, reason) != 0) {
		snprintf(scanout->reason, sizeof(scanout->reason), "%s", reason);
		scanout_tell(scanout, changed);
	}
}

void drain_unclaim(struct scanout *scanout) {
	if (scanout->claim) {
		scanout->claim->scanout = NULL;
		scanout->claim = NULL;
	}
}

void drain_forget(struct scanout *scanout) {
	drain_unclaim(scanout);
	linger_destroy(scanout->linger);
	scanout->linger = NULL;
}

void drain_settle(struct scanout *scanout) {
	const struct card *card = scanout->card;
	int i = card_find_connector(card, scanout->connector);

	scanout->objects = (struct card_objects){0};
	if (scanout->excluded) {
		card_pick_objects(scanout); // what drives it is excluded with it
		enter(scanout, PHASE_EXCLUDED, "");
	} else {
		bool connected = i >= 0 && card->snapshot.connectors[i].connected;
		enter(scanout, connected ? PHASE_FREE : PHASE_ABSENT, "");
	}
	scanout_tell(scanout, ready);
}

/* Blanking. */

/* Only the card's master can blank it. */
static void hold(struct scanout *scanout) {
	enter(scanout, PHASE_HELD, "to be blanked when the seat is back");
	scanout_tell(scanout, ready);
}

static void fail(struct scanout *scanout, int error) {
	char reason[96];
	snprintf(reason, sizeof(reason), "blanking failed: %s", strerror(-error));
	if (scanout_state(scanout) != SCANOUT_STUCK || strcmp(scanout->reason, reason) != 0) {
		scanout_log(LOG_ERR, scanout,
			"Cannot be blanked: %s. It is not given to anybody, since the next holder "
			"would see the last picture; trying again",
			strerror(-error));
	}
	enter(scanout, PHASE_FAILED, reason);
	scanout_tell(scanout, failed);
	scanout_tell(scanout, ready);
}

static void on_blank_overdue(struct scanout *scanout) {
	scanout_log(LOG_WARNING, scanout,
		"Blanking does not come back: a lessee's commit holds a modeset lock. The scanout is "
		"stuck until it does");
	enter(scanout, PHASE_LATE, "blanking waits for a modeset lock");
	scanout_tell(scanout, ready);
}

static void on_blanked(struct scanout *scanout, int result) {
	struct card_host *host = scanout->card->host;
	if (result < 0 && host->paused) {
		hold(scanout);
	} else if (result < 0) {
		fail(scanout, result);
	} else {
		FAILPOINT("end-settle");
		scanout->mode = (struct card_mode){0};
		scanout->freed = ++host->n_freed;
		drain_settle(scanout); // excluded or unplugged in the meantime?
	}
}

static void submit_blank(struct scanout *scanout) {
	if (scanout->card->host->paused) {
		hold(scanout);
	} else if (blank_submit(scanout, on_blank_overdue, on_blanked) < 0) {
		fail(scanout, -ENOMEM);
	}
}

void drain_blank(struct scanout *scanout) {
	drain_unclaim(scanout);
	enter(scanout, PHASE_BLANKING, "");
	submit_blank(scanout);
}

void drain_again(struct scanout *scanout) {
	if (scanout->phase == PHASE_FAILED) {
		enter(scanout, PHASE_LATE, scanout->reason); // it looks stuck until it worked
		submit_blank(scanout);
	}
}

/* Pictures. */

static void advance(struct scanout *scanout);

/* The lease goes on as if nobody had wanted its picture. */
static void back_to_lease(struct scanout *scanout) {
	enter(scanout, PHASE_LEASED, "");
	advance(scanout);
}

/* The lease has ended, and so has all that could be done for its picture. */
static void stand(struct scanout *scanout, bool adopted) {
	char reason[96];
	if (adopted && scanout->claim) {
		enter(scanout, PHASE_STANDING, "");
		scanout_tell(scanout, ready);
	} else if (adopted && linger_start(scanout)) {
		snprintf(reason, sizeof(reason), "the last picture lingers for %g s",
			(double)linger_usec(scanout) / 1000000);
		enter(scanout, PHASE_STANDING, reason);
		scanout_tell(scanout, recorded);
	} else {
		drain_blank(scanout);
	}
}

static bool look(struct scanout *scanout, bool ended);

/* `ended`: the lease, when the look began. -ETIMEDOUT: the worker is still at it. */
static void on_looked(struct scanout *scanout, bool ended, int result) {
	if (scanout->phase == PHASE_SAVING && scanout->claim) {
		enter(scanout, result >= 0 ? PHASE_SAVED : PHASE_LOST, "");
		scanout_tell(scanout, ready);
	} else if (scanout->phase == PHASE_SAVING) {
		back_to_lease(scanout);
	} else if (scanout->phase == PHASE_CHECKING) {
		if (!ended && result != -ETIMEDOUT && look(scanout, true)) {
			return; // it ended meanwhile
		}
		stand(scanout, result >= 0);
	}
}

static bool look(struct scanout *scanout, bool ended) {
	return picture_look(scanout, ended, on_looked, advance) >= 0;
}

void drain_save(struct scanout *scanout) {
	enter(scanout, look(scanout, false) ? PHASE_SAVING : PHASE_LOST, "");
}

void drain_hand_over(struct scanout *scanout) {
	if (scanout->phase != PHASE_LOST && (scanout->look || look(scanout, true))) {
		enter(scanout, PHASE_CHECKING, "");
	} else {
		drain_blank(scanout);
	}
}

/* Makes the picture ours if the process that asked is gone, as soon as that can be done. */
static void advance(struct scanout *scanout) {
	if (!linger_is_due(scanout) || scanout->phase != PHASE_LEASED || scanout->late_look ||
		scanout->card->host->paused) {
		return;
	}
	drain_save(scanout);
	if (scanout->phase == PHASE_LOST) { // out of memory: the lease must end all the same
		enter(scanout, PHASE_LEASED, "");
		AUTO_CLOSE int copy_fd = linger_take_copy(scanout);
	}
}

void drain_cut(struct scanout *scanout) {
	bool lingers = linger_is_on(scanout);
	linger_give_up(scanout);
	if (lingers) {
		scanout_log(LOG_INFO, scanout, "The last picture goes");
		drain_blank(scanout);
		scanout_tell(scanout, recorded);
	}
}

static const struct linger_listener lingering = {.asker_gone = advance, .over = drain_cut};

void drain_lease(struct scanout *scanout, struct linger *linger) {
	drain_unclaim(scanout);
	linger_begin(scanout, linger, &lingering);
	enter(scanout, PHASE_LEASED, "");
}

int drain_restore(struct scanout *scanout, struct state_lease *found) {
	return linger_restore(scanout, found, &lingering);
}

void drain_resume(struct scanout *scanout) {
	enum scanout_state state = scanout_state(scanout);
	bool idle = state == SCANOUT_FREE || state == SCANOUT_ABSENT;
	/* What is shown may be the other session's: none of that is a holder's last picture. */
	if (scanout->phase == PHASE_HELD || scanout->phase == PHASE_STANDING ||
		(idle && card_pick_objects(scanout) >= 0)) {
		drain_blank(scanout);
	} else {
		advance(scanout);
	}
}

void drain_claim(struct scanout *scanout, struct scanout_claim *claim) {
	bool kept = scanout->phase == PHASE_SAVING || scanout->phase == PHASE_CHECKING;
	if (kept && !scanout->claim) {
		claim->scanout = scanout;
		scanout->claim = claim;
	}
}

void drain_abandon(struct scanout *scanout) {
	drain_unclaim(scanout);
	if (scanout->phase == PHASE_SAVED || scanout->phase == PHASE_LOST) {
		back_to_lease(scanout);
	} else if (scanout->phase == PHASE_STANDING) {
		stand(scanout, true);
	}
	scanout_tell(scanout, ready); // another request may claim it
}
