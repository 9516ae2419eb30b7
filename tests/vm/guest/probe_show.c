#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"
#include "stop.h"
#include "strip.h"

#define FLIP_TIMEOUT_MSEC 30000

static int flip_once(struct kms *kms) {
	int r = kms_flip(kms, (kms->flips + 1) % 2);

	return r < 0 ? r : kms_wait_flip(kms, -1, FLIP_TIMEOUT_MSEC);
}

static int report_flips(
	const struct probe_output *output, uint64_t elapsed_usec, int r, uint64_t wanted) {
	AUTO_JSON cJSON *json = probe_describe(output);
	const double seconds = (double)elapsed_usec / 1e6;

	cJSON_AddNumberToObject(json, "flips", (double)output->kms.flips);
	cJSON_AddNumberToObject(json, "seconds", seconds);
	cJSON_AddNumberToObject(json, "per_second", (double)output->kms.flips / seconds);
	cJSON_AddNumberToObject(json, "errors", r < 0);
	if (r < 0) {
		cJSON_AddStringToObject(json, "errno", report_errno(r));
	}
	report_line(json);
	return r < 0 || output->kms.flips < wanted ? -1 : 0;
}

int probe_flip(const struct probe *probe) {
	struct probe_output output;
	int r;

	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	r = probe_show(probe, &output);
	if (r >= 0) {
		const uint64_t start = report_now_usec();

		while (r >= 0 && output.kms.flips < probe->number) {
			r = flip_once(&output.kms);
		}
		r = report_flips(&output, report_now_usec() - start, r, probe->number);
	}
	probe_close(&output);
	return r;
}

/* Several that share an input begin in the same moment, when its last writer closes it. */
static int await_start(const struct probe_output *output) {
	AUTO_JSON cJSON *json = probe_describe(output);
	char bytes[64];
	ssize_t n;

	cJSON_AddTrueToObject(json, "ready");
	report_line(json);
	do {
		n = read(STDIN_FILENO, bytes, sizeof(bytes));
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? probe_failed(-errno, "wait for the start") : 0;
}

int probe_flip_rate(const struct probe *probe) {
	AUTO_CLOSE int stop_fd = probe->keep ? stop_open() : -1;
	struct probe_output output;
	int r;

	if (probe->keep && stop_fd < 0) {
		return probe_failed(stop_fd, "watch for signals");
	}
	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	r = probe_show(probe, &output);
	if (r >= 0 && probe->await) {
		r = await_start(&output);
	}
	if (r >= 0) {
		const uint64_t start = report_now_usec();
		const uint64_t end = start + probe->number * 1000000;

		while (r >= 0 && report_now_usec() < end) {
			r = flip_once(&output.kms);
		}
		r = report_flips(&output, report_now_usec() - start, r, 1);
		if (probe->keep) {
			stop_wait(stop_fd);
		}
	}
	probe_close(&output);
	return r;
}

/* How a flip ended, when that changes. */
static void report_outcome(const struct kms *kms, int outcome) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "flip", report_errno(outcome));
	cJSON_AddNumberToObject(json, "flips", (double)kms->flips);
	report_line(json);
}

/* What a desk does on a seat that others may have for a while. */
static int flip_on(struct kms *kms, int stop_fd) {
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
	int last = -1, r = 0;

	while (r == 0 || r == -EACCES) {
		r = flip_once(kms);
		if (r != last) {
			report_outcome(kms, r);
			last = r;
		}
		if (poll(&stop, 1, r == -EACCES ? 50 : 0) > 0) {
			return 0;
		}
	}
	return r;
}

int probe_flip_on(const struct probe *probe) {
	AUTO_CLOSE int stop_fd = stop_open();
	struct probe_output output;
	int r;

	if (stop_fd < 0) {
		return probe_failed(stop_fd, "watch for signals");
	}
	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	r = probe_show(probe, &output);
	if (r >= 0) {
		r = flip_on(&output.kms, stop_fd);
	}
	probe_close(&output);
	return r;
}

/* With --name, the picture also tells a program which scanout it was drawn through. */
static void draw_strip(const struct probe *probe, struct probe_output *output) {
	const struct kms *kms = &output->kms;

	if (probe->name != NULL) {
		strip_draw(kms->buffers[1].pixels, kms->buffers[1].stride, kms->mode.hdisplay,
			kms->mode.vdisplay, output->lease.index, 1, strip_hash(probe->name));
	}
}

int probe_hold(const struct probe *probe) {
	AUTO_CLOSE int stop_fd = stop_open();
	struct probe_output output;
	int r;

	if (stop_fd < 0) {
		return probe_failed(stop_fd, "watch for signals");
	}
	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	r = probe_show(probe, &output);
	if (r >= 0) {
		/* Shown by a flip: the fill went out with the mode-set, the strip needs a flush. */
		draw_strip(probe, &output);
		r = flip_once(&output.kms);
		if (r < 0) {
			probe_failed(r, "flip");
		}
	}
	if (r >= 0) {
		AUTO_JSON cJSON *json = probe_describe(&output);

		cJSON_AddTrueToObject(json, "ready");
		report_line(json);
		r = stop_wait(stop_fd);
	}
	probe_close(&output);
	return r;
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
