/* One scanout on its way into one file. */
#ifndef SCANOUT_HOST_RECORDING_H
#define SCANOUT_HOST_RECORDING_H

#include "host/host.h"
#include "host/recorder.h"
#include "host/want.h"

struct recording {
	struct host *host; // borrowed
	char *path;
	int fd;
	struct want want;
	struct recorder *recorder; // NULL before it began, and once it is over
	struct recorder_result result;
	sd_event_source *ended;
	/* It has failed, which the user was told: an exit code. Called once, from the event loop.
	 */
	void (*failed)(void *data, int code);
	void *data;
	bool has_failed;
};

/*
 * Begins. The options are those of all recordings: screen and fd are its own. Takes the path over,
 * always. On failure, which the user was told, recording_finish() is called as well.
 */
int recording_start(struct recording *recording, sd_event *event, struct capture *capture,
	const struct vm *vm, const char *scanout, const struct recorder_options *options,
	char *path);
/* Completes the file; of one that has failed, nothing is left to do. Its result is there then. */
int recording_stop(struct recording *recording);
void recording_finish(struct recording *recording);

#endif
