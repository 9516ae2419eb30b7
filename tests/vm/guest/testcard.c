/*
 * What a demo container runs: takes a scanout from scanoutd and shows a moving test card on it
 * until it is told to stop.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "common/cleanup.h"
#include "kms.h"
#include "lease.h"
#include "report.h"
#include "stop.h"
#include "testcard_card.h"

static const char usage[] =
	"usage: testcard --name NAME [--label LABEL] [--scanout ID] [--timeout SECONDS]\n"
	"                [--mode WIDTHxHEIGHT] [--frames N] [--fps N]\n";

struct testcard {
	const char *name;
	struct lease_wish wish;
	uint32_t width, height; // 0: the output's own choice
	uint64_t frames;        // 0: until told to stop
	unsigned int fps;       // 0: as fast as the flips come

	struct lease lease;
	struct kms kms;
	struct card card;
	int stop_fd;
};

static int parse_arguments(struct testcard *t, int argc, char **argv) {
	static const struct option options[] = {
		{"name", required_argument, NULL, 'n'},
		{"label", required_argument, NULL, 'l'},
		{"scanout", required_argument, NULL, 's'},
		{"timeout", required_argument, NULL, 't'},
		{"mode", required_argument, NULL, 'm'},
		{"frames", required_argument, NULL, 'f'},
		{"fps", required_argument, NULL, 'r'},
		{0},
	};
	bool ok = true;
	int option;

	while (ok && (option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		uint64_t number = 0;

		switch (option) {
		case 'n':
			t->name = optarg;
			break;
		case 'l':
			t->wish.label = optarg;
			break;
		case 's':
			t->wish.scanout = optarg;
			break;
		case 't':
			ok = args_number(optarg, 86400, &number);
			t->wish.timeout_usec = number * 1000000;
			break;
		case 'm':
			ok = args_mode(optarg, &t->width, &t->height);
			break;
		case 'f':
			ok = args_number(optarg, UINT32_MAX, &number);
			t->frames = number;
			break;
		case 'r':
			ok = args_number(optarg, 1000, &number);
			t->fps = (unsigned int)number;
			break;
		default:
			ok = false;
		}
	}
	if (!ok || t->name == NULL || optind != argc) {
		fputs(usage, stderr);
		return -EINVAL;
	}
	return 0;
}

static int draw_first(struct testcard *t) {
	const struct kms_buffer *buffers = t->kms.buffers;
	struct card_facts facts;
	int r;

	lease_name(&t->lease, t->kms.connector_name, t->kms.index);
	facts = (struct card_facts){
		.name = t->name,
		.scanout = t->lease.id,
		.index = t->lease.index,
		.lessee = t->lease.lessee,
		.width = t->kms.mode.hdisplay,
		.height = t->kms.mode.vdisplay,
		.refresh_mhz = kms_refresh_mhz(&t->kms),
		.connector_id = t->kms.connector_id,
		.crtc_id = t->kms.crtc_id,
	};
	r = card_init(&t->card, &facts);
	if (r < 0) {
		return r;
	}
	card_draw(&t->card, buffers[0].pixels, buffers[0].stride);
	memcpy(buffers[1].pixels, buffers[0].pixels, buffers[0].size);
	card_draw_frame(&t->card, buffers[0].pixels, buffers[0].stride, 0);
	return 0;
}

static void report_start(const struct testcard *t) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "scanout", t->lease.id);
	cJSON_AddNumberToObject(json, "index", t->lease.index);
	cJSON_AddNumberToObject(json, "lessee", t->lease.lessee);
	cJSON_AddNumberToObject(json, "width", t->kms.mode.hdisplay);
	cJSON_AddNumberToObject(json, "height", t->kms.mode.vdisplay);
	report_line(json);
}

static void report_end(const struct testcard *t, uint64_t start) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();

	cJSON_AddNumberToObject(json, "flips", (double)t->kms.flips);
	cJSON_AddNumberToObject(json, "seconds", (double)(report_now_usec() - start) / 1e6);
	report_line(json);
}

/* Waits until the next frame is due. Return: -ECANCELED if told to stop. */
static int wait_until(const struct testcard *t, uint64_t due) {
	struct pollfd fd = {.fd = t->stop_fd, .events = POLLIN};
	uint64_t now = report_now_usec();

	if (poll(&fd, 1, now < due ? (int)((due - now + 999) / 1000) : 0) < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	return fd.revents ? -ECANCELED : 0;
}

static int run_frames(struct testcard *t) {
	const uint64_t start = report_now_usec();
	uint64_t due = start;

	for (uint32_t frame = 1; t->frames == 0 || frame <= t->frames; frame++) {
		const unsigned int back = frame % 2;
		const struct kms_buffer *buffer = &t->kms.buffers[back];
		int r;

		due += t->fps > 0 ? 1000000 / t->fps : 0;
		r = wait_until(t, due);
		if (r < 0) {
			return r;
		}
		if (due < report_now_usec()) {
			due = report_now_usec(); // late: do not catch up
		}
		card_draw_frame(&t->card, buffer->pixels, buffer->stride, frame);
		r = kms_flip(&t->kms, back);
		if (r >= 0) {
			r = kms_wait_flip(&t->kms);
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int show(struct testcard *t) {
	const char *what;
	uint64_t start;
	int r;

	what = "find an output on the lease";
	r = kms_init(&t->kms, t->lease.fd, NULL);
	if (r >= 0) {
		what = "find that mode";
		r = kms_pick_mode(&t->kms, t->width, t->height);
	}
	if (r >= 0) {
		what = "allocate buffers";
		r = kms_create_buffers(&t->kms);
	}
	if (r >= 0) {
		what = "draw the card";
		r = draw_first(t);
	}
	if (r >= 0) {
		what = "set the mode";
		r = kms_set_crtc(&t->kms, 0);
	}
	start = report_now_usec();
	if (r >= 0) {
		report_start(t);
		what = "flip";
		r = run_frames(t);
	}
	if (r == -ECANCELED || r == 0) {
		report_end(t, start);
		r = 0;
	} else {
		fprintf(stderr, "testcard: cannot %s: %s\n", what, strerror(-r));
	}
	card_finish(&t->card);
	kms_finish(&t->kms);
	return r;
}

static int take_lease(struct testcard *t) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	if (lease_is_inherited()) {
		r = lease_inherit(&t->lease);
		if (r < 0) {
			fprintf(stderr, "testcard: no lease in %s: %s\n", LEASE_FD_VARIABLE,
				strerror(-r));
		}
		return r;
	}
	r = lease_ask(&t->wish, &error, &t->lease);
	if (r < 0) {
		fprintf(stderr, "testcard: %s: %s\n", error.name, error.message);
	}
	return r;
}

int main(int argc, char **argv) {
	struct testcard t = {.fps = 20, .stop_fd = -1};
	int r;

	if (parse_arguments(&t, argc, argv) < 0) {
		return 2;
	}
	/* fontconfig complains where its cache cannot be written, and a container has no home. */
	setenv("XDG_CACHE_HOME", "/tmp", 0);
	t.stop_fd = stop_open();
	if (t.stop_fd < 0) {
		fprintf(stderr, "testcard: cannot watch for signals: %s\n", strerror(-t.stop_fd));
		return 1;
	}
	r = take_lease(&t);
	if (r >= 0) {
		r = show(&t);
		close(t.lease.fd);
	}
	close(t.stop_fd);
	return r < 0 ? 1 : 0;
}
