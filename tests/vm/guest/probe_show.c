#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"
#include "stop.h"
#include "strip.h"

/* With --name, the picture also tells a program which scanout it was drawn through. */
static void draw_strip(const struct probe *probe, struct probe_output *output) {
	const struct kms *kms = &output->kms;

	if (probe->name != NULL) {
		strip_draw(kms->buffers[1].pixels, kms->buffers[1].stride, kms->mode.hdisplay,
			kms->mode.vdisplay, output->lease.index, 1, strip_hash(probe->name));
	}
}

static int hold(const struct probe *probe, struct probe_output *output, int stop_fd) {
	AUTO_JSON cJSON *json = NULL;
	int r;

	/* Shown by a flip: the fill went out with the mode-set, the strip needs a flush. */
	draw_strip(probe, output);
	r = kms_flip_next(&output->kms);
	if (r < 0) {
		return probe_failed(r, "flip");
	}
	json = probe_describe(output);
	cJSON_AddTrueToObject(json, "ready");
	report_line(json);
	return stop_wait(stop_fd);
}

int probe_hold(const struct probe *probe) {
	return probe_work(probe, hold);
}

int probe_sit(const struct probe *probe) {
	AUTO_CLOSE int stop_fd = stop_open();
	AUTO_JSON cJSON *json = NULL;
	struct probe_output output;
	int r;

	if (stop_fd < 0) {
		return probe_failed(stop_fd, "watch for signals");
	}
	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	json = probe_describe(&output);
	cJSON_AddTrueToObject(json, "ready");
	report_line(json);
	r = stop_wait(stop_fd);
	probe_close(&output);
	return r;
}
