#include "host/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "host/file.h"
#include "host/report.h"

static int report_file(const struct recording *recording, int r) {
	return report(recording->host, HOST_FAILED, "OutputFailed", "'%s' cannot be written: %s",
		recording->path, file_explain(r));
}

static int report_result(const struct recording *recording) {
	const struct recorder_result *result = &recording->result;
	if (result->error < 0 && result->is_output) {
		return report_file(recording, result->error);
	}
	if (result->error == -ENOSYS) {
		return report(recording->host, HOST_FAILED, "NoEncoder",
			"libavcodec has no H.264 encoder here. Type: scanout-host doctor");
	}
	if (result->error < 0) {
		return report(recording->host, HOST_FAILED, "EncoderFailed",
			"The picture cannot be encoded (error %d). Try another --size.",
			-result->error);
	}
	if (result->n_frames == 0) {
		return report(recording->host, HOST_FAILED, "NoPicture",
			"There was no picture to record: '%s' is empty.", recording->path);
	}
	return HOST_OK;
}

static void fail(struct recording *recording, int code) {
	if (!recording->has_failed) {
		recording->has_failed = true;
		recording->failed(recording->data, code);
	}
}

/* It ends by itself only if it fails. */
static int handle_ended(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct recording *recording = data;
	fail(recording, recording_stop(recording));
	return 0;
}

static void handle_failed(void *data, int code, const char *name, const char *message) {
	struct recording *recording = data;
	fail(recording, report(recording->host, code, name, "%s.", message));
}

static int start(struct recording *recording, sd_event *event, struct capture *capture,
	const struct vm *vm, const char *scanout, const struct recorder_options *options) {
	struct recorder_options own = *options;
	recording->want.failed = handle_failed;
	recording->want.data = recording;
	int r = want_init(&recording->want, event, capture, vm, scanout);
	if (r >= 0) {
		own.screen = &recording->want.screen;
		own.fd = recording->fd;
		r = recorder_start(&recording->recorder, &own);
	}
	return r < 0 ? r
		     : sd_event_add_io(event, &recording->ended, recorder_fd(recording->recorder),
			       EPOLLIN, handle_ended, recording);
}

int recording_start(struct recording *recording, sd_event *event, struct capture *capture,
	const struct vm *vm, const char *scanout, const struct recorder_options *options,
	char *path) {
	recording->path = path;
	recording->fd = file_open(path);
	if (recording->fd < 0) {
		return report_file(recording, recording->fd);
	}
	int r = start(recording, event, capture, vm, scanout, options);
	return r < 0 ? report_errno(recording->host, r) : HOST_OK;
}

int recording_stop(struct recording *recording) {
	if (!recording->recorder) {
		return HOST_OK;
	}
	recording->ended = sd_event_source_disable_unref(recording->ended);
	recorder_stop(TAKE_PTR(recording->recorder), &recording->result);
	return recording->has_failed ? HOST_OK : report_result(recording);
}

void recording_finish(struct recording *recording) {
	recording->has_failed = true; // nobody is told any more
	(void)recording_stop(recording);
	want_finish(&recording->want);
	cleanup_close(&recording->fd);
	free(recording->path);
}
