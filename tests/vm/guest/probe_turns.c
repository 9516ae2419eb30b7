/* Whether flips on a lease are slower than the master's, on the same output and in short turns. */
#include <fcntl.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"

#define TURN_USEC 10000
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The master flips twice: how far its two sides are apart is the noise of the measurement. */
enum {
	LEASE,
	MASTER,
	AGAIN,
	SIDES
};

static const char *const names[SIDES] = {"lease", "master", "again"};

/* Each side comes first, second and last, and before and after each other, equally often. */
static const unsigned int orders[][SIDES] = {
	{LEASE, MASTER, AGAIN},
	{AGAIN, MASTER, LEASE},
	{MASTER, AGAIN, LEASE},
	{LEASE, AGAIN, MASTER},
	{AGAIN, LEASE, MASTER},
	{MASTER, LEASE, AGAIN},
};

struct side {
	struct kms kms; // with buffers of its own
	uint64_t flips; // that count
	uint64_t usec;  // they took
};

/* What scanoutd leases: the output's connector, CRTC and planes. */
static int lease_output(const struct kms *kms, int *ret) {
	const uint32_t objects[] = {
		kms->connector_id, kms->crtc_id, kms->primary_id, kms->cursor_id};
	uint32_t lessee;
	int r = drmModeCreateLease(kms->fd, objects, ARRAY_SIZE(objects), O_CLOEXEC, &lessee);

	if (r < 0) {
		return probe_failed(r, "lease the output");
	}
	*ret = r;
	return 0;
}

static int prepare(const struct probe *probe, struct kms *kms, int fd) {
	int r = kms_init(kms, fd, probe->connector);

	if (r >= 0) {
		r = kms_pick_mode(kms, probe->width, probe->height);
	}
	if (r >= 0) {
		r = kms_create_buffers(kms);
	}
	if (r < 0) {
		return probe_failed(r, "prepare a side");
	}
	kms_fill(kms, 0, probe->fill);
	kms_fill(kms, 1, probe->fill);
	return 0;
}

/* The first flip, away from the picture of the side before, does not count. */
static int take_turn(struct side *side, double *ret_per_second) {
	uint64_t begun_usec, usec = 0, flips = 0;
	int r = kms_flip_next(&side->kms, -1);

	begun_usec = report_now_usec();
	while (r >= 0 && usec < TURN_USEC) {
		r = kms_flip_next(&side->kms, -1);
		usec = report_now_usec() - begun_usec;
		flips++;
	}
	if (r < 0) {
		return probe_failed(r, "flip");
	}
	side->flips += flips;
	side->usec += usec;
	*ret_per_second = (double)flips * 1e6 / (double)usec;
	return 0;
}

/* All sides in that order, and their rates in the order of names[]. */
static int take_turns(struct side *sides, const unsigned int *order, cJSON *turns) {
	double per_second[SIDES];

	for (size_t i = 0; i < SIDES; i++) {
		int r = take_turn(&sides[order[i]], &per_second[order[i]]);
		if (r < 0) {
			return r;
		}
	}
	cJSON_AddItemToArray(turns, cJSON_CreateDoubleArray(per_second, SIDES));
	return 0;
}

static void report_turns(cJSON *json, const struct side *sides) {
	for (size_t i = 0; i < SIDES; i++) {
		cJSON *side = cJSON_AddObjectToObject(json, names[i]);

		cJSON_AddNumberToObject(side, "flips", (double)sides[i].flips);
		cJSON_AddNumberToObject(side, "usec", (double)sides[i].usec);
	}
	report_line(json);
}

static int compare(const struct probe *probe, const struct probe_output *output) {
	const int master_fd = output->lease.fd;
	AUTO_CLOSE int lease_fd = -1;
	AUTO_JSON cJSON *json = NULL;
	struct side sides[SIDES] = {0};
	cJSON *turns;
	int r = lease_output(&output->kms, &lease_fd);

	for (size_t i = 0; i < SIDES && r >= 0; i++) {
		r = prepare(probe, &sides[i].kms, i == LEASE ? lease_fd : master_fd);
	}
	if (r >= 0) {
		r = kms_set_crtc(&sides[MASTER].kms, 0);
		r = r < 0 ? probe_failed(r, "set the mode") : 0;
	}
	json = cJSON_CreateObject();
	turns = cJSON_AddArrayToObject(json, "turns");

	const uint64_t end_usec = report_now_usec() + probe->number * 1000000;
	while (r >= 0 && report_now_usec() < end_usec) {
		for (size_t i = 0; i < ARRAY_SIZE(orders) && r >= 0; i++) {
			r = take_turns(sides, orders[i], turns);
		}
	}
	if (r >= 0) {
		report_turns(json, sides);
	}
	for (size_t i = 0; i < SIDES; i++) {
		kms_finish(&sides[i].kms);
	}
	return r;
}

int probe_flip_turns(const struct probe *probe) {
	struct probe_output output;
	int r = probe_open(probe, &output);

	if (r < 0) {
		return r;
	}
	r = compare(probe, &output);
	probe_close(&output);
	return r;
}
