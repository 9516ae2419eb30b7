#include "daemon/util/retry.h"

#include <errno.h>
#include <time.h>

#define RETRY_USEC 2000000

static int handle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct retry *retry = data;
	retry->again(retry->data);
	return 0;
}

int retry_init(struct retry *retry, sd_event *event, void (*again)(void *data), void *data) {
	*retry = (struct retry){.again = again, .data = data};
	int r = sd_event_add_time_relative(
		event, &retry->timer, CLOCK_MONOTONIC, RETRY_USEC, 0, handle_timer, retry);
	if (r >= 0) {
		r = sd_event_source_set_enabled(retry->timer, SD_EVENT_OFF);
	}
	return r;
}

void retry_finish(struct retry *retry) {
	retry->timer = sd_event_source_disable_unref(retry->timer);
}

void retry_later(struct retry *retry) {
	if (sd_event_source_get_enabled(retry->timer, NULL) > 0) {
		return;
	}
	sd_event_source_set_time_relative(retry->timer, RETRY_USEC);
	sd_event_source_set_enabled(retry->timer, SD_EVENT_ONESHOT);
}

bool retry_helps(int error) {
	switch (error) {
	case -EBUSY: // another process is master
	case -ENXIO:
	case -ENODEV:
	case -ENOENT:
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return false;
	default:
		return true;
	}
}
