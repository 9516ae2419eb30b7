/* Flips: whether all of them work, how many there are, and how evenly they come. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"
#include "stop.h"

struct interval {
	uint64_t at_usec; // when it ended, by the monotonic clock
	uint64_t usec;
};

struct intervals {
	struct interval *list;
	size_t n, size;
};

static int record(struct intervals *intervals, uint64_t at_usec, uint64_t usec) {
	if (intervals->n == intervals->size) {
		size_t size = 2 * intervals->size + 256;
		struct interval *list = reallocarray(intervals->list, size, sizeof(*list));

		if (list == NULL) {
			return -ENOMEM;
		}
		intervals->list = list;
		intervals->size = size;
	}
	intervals->list[intervals->n++] = (struct interval){at_usec, usec};
	return 0;
}

/* The intervals longer than twice the normal one: [when, how long]. */
static void add_late(cJSON *json, const struct intervals *intervals, uint64_t normal_usec) {
	cJSON *late = cJSON_AddArrayToObject(json, "late");

	for (size_t i = 0; i < intervals->n; i++) {
		const struct interval *interval = &intervals->list[i];

		if (interval->usec > 2 * normal_usec) {
			const double pair[] = {(double)interval->at_usec, (double)interval->usec};

			cJSON_AddItemToArray(late, cJSON_CreateDoubleArray(pair, 2));
		}
	}
}

static int add_intervals(cJSON *json, const struct intervals *intervals, uint64_t period_usec) {
	AUTO_FREE uint64_t *samples = calloc(intervals->n + 1, sizeof(*samples));

	if (samples == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < intervals->n; i++) {
		samples[i] = intervals->list[i].usec;
	}
	report_latencies(json, samples, intervals->n); // sorts them
	if (period_usec > 0) {
		add_late(json, intervals, period_usec);
	}
	return 0;
}

static cJSON *describe_flips(const struct probe_output *output, uint64_t elapsed_usec, int r) {
	cJSON *json = probe_describe(output);
	const double seconds = (double)elapsed_usec / 1e6;

	cJSON_AddNumberToObject(json, "flips", (double)output->kms.flips);
	cJSON_AddNumberToObject(json, "seconds", seconds);
	cJSON_AddNumberToObject(json, "per_second", (double)output->kms.flips / seconds);
	cJSON_AddNumberToObject(json, "errors", r < 0);
	if (r < 0) {
		cJSON_AddStringToObject(json, "errno", report_errno(r));
	}
	return json;
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

int probe_flip(const struct probe *probe) {
	struct probe_output output;
	int r;

	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	r = probe_show(probe, &output);
	if (r >= 0 && probe->await) {
		r = await_start(&output);
	}
	if (r >= 0) {
		AUTO_JSON cJSON *json = NULL;
		const uint64_t start = report_now_usec();

		while (r >= 0 && output.kms.flips < probe->number) {
			r = kms_flip_next(&output.kms);
		}
		json = describe_flips(&output, report_now_usec() - start, r);
		report_line(json);
	}
	probe_close(&output);
	return r;
}

/* Waits until then. Return: 0; -ECANCELED when told to stop. */
static int wait_until(uint64_t usec, int stop_fd) {
	struct pollfd fd = {.fd = stop_fd, .events = POLLIN};
	const uint64_t now = report_now_usec();
	const uint64_t left = usec > now ? usec - now : 0;
	const struct timespec timeout = {(time_t)(left / 1000000), (long)(left % 1000000) * 1000};

	return ppoll(&fd, 1, &timeout, NULL) > 0 ? -ECANCELED : 0;
}

/* Flips until the time is over or somebody says stop, which is no error: it flips once more then,
 * so that whoever said so knows that it still could. */
static int flip_along(const struct probe *probe, struct kms *kms, uint64_t end_usec, int stop_fd,
	struct intervals *intervals) {
	const uint64_t period_usec = probe->rate > 0 ? 1000000 / probe->rate : 0;
	uint64_t asked_usec = report_now_usec(), before_usec = 0;
	int r = 0;

	while (r >= 0 && report_now_usec() < end_usec) {
		r = kms_flip_next(kms);
		if (r >= 0 && before_usec > 0) {
			r = record(intervals, kms->flipped_usec, kms->flipped_usec - before_usec);
		}
		before_usec = kms->flipped_usec;
		if (r >= 0) {
			r = wait_until(asked_usec + period_usec, stop_fd);
		}
		asked_usec = report_now_usec();
	}
	return r == -ECANCELED ? kms_flip_next(kms) : r;
}

int probe_flip_rate(const struct probe *probe) {
	AUTO_CLOSE int stop_fd = stop_open();
	struct intervals intervals = {0};
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
	if (r >= 0 && probe->await) {
		r = await_start(&output);
	}
	if (r >= 0) {
		AUTO_JSON cJSON *json = NULL;
		const uint64_t start = report_now_usec();

		r = flip_along(
			probe, &output.kms, start + probe->number * 1000000, stop_fd, &intervals);
		json = describe_flips(&output, report_now_usec() - start, r);
		if (r >= 0) {
			r = add_intervals(
				json, &intervals, probe->rate > 0 ? 1000000 / probe->rate : 0);
		}
		report_line(json);
		if (probe->keep) {
			stop_wait(stop_fd);
		}
	}
	free(intervals.list);
	probe_close(&output);
	return r < 0 || output.kms.flips == 0 ? -1 : 0;
}

/* How a flip ended, when that changes. */
static void report_outcome(const struct kms *kms, int outcome) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "flip", report_errno(outcome));
	cJSON_AddNumberToObject(json, "flips", (double)kms->flips);
	report_line(json);
}

/* What a desk does on a seat that others may have for a while. */
static int flip_on(const struct probe *probe, struct probe_output *output, int stop_fd) {
	struct kms *kms = &output->kms;
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
	int last = -1, r = 0;

	while (r == 0 || r == -EACCES) {
		r = kms_flip_next(kms);
		if (r != last) {
			report_outcome(kms, r);
		}
		bool resumed = last == -EACCES && r != -EACCES;
		last = r;
		if (resumed) { // the mode may be another's now
			r = kms_set_crtc(kms, 0);
		}
		if (poll(&stop, 1, r == -EACCES ? 50 : 0) > 0) {
			return 0;
		}
	}
	return r;
}

int probe_flip_on(const struct probe *probe) {
	return probe_work(probe, flip_on);
}
