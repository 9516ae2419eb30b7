/* Whether flips on a lease are slower than the master's: one by one, in turns, on one output. */
#include <fcntl.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The master flips twice: how far its two sides are apart is the noise of the measurement. */
enum {
	LEASE,
	MASTER,
	AGAIN,
	SIDES
};

/* Each side comes first, second and last, and before and after each other, equally often. */
static const unsigned int orders[][SIDES] = {
	{LEASE, MASTER, AGAIN},
	{AGAIN, MASTER, LEASE},
	{MASTER, AGAIN, LEASE},
	{LEASE, AGAIN, MASTER},
	{AGAIN, LEASE, MASTER},
	{MASTER, LEASE, AGAIN},
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

static int show(const struct probe *probe, struct kms *kms) {
	int r = kms_pick_mode(kms, probe->width, probe->height);

	if (r >= 0) {
		r = kms_create_buffers(kms);
	}
	if (r >= 0) {
		kms_fill(kms, 0, probe->fill);
		kms_fill(kms, 1, probe->fill);
		r = kms_set_crtc(kms, 0);
	}
	return r < 0 ? probe_failed(r, "show a picture") : 0;
}

static int flip(struct kms *kms, unsigned int buffer, double *ret_nsec) {
	const uint64_t begun_nsec = report_now_nsec();
	int r = kms_flip(kms, buffer);

	if (r >= 0) {
		r = kms_wait_flip(kms);
	}
	if (r < 0) {
		return probe_failed(r, "flip");
	}
	*ret_nsec = (double)(report_now_nsec() - begun_nsec);
	return 0;
}

/* Each side flips once, in each order. Adds for each order how long LEASE, MASTER and AGAIN took.
 */
static int take_turns(struct kms *sides, cJSON *turns) {
	double nsec[SIDES];
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		for (size_t k = 0; k < SIDES; k++) {
			const unsigned int side = orders[i][k];
			int r = flip(&sides[side], ++n % 2, &nsec[side]);
			if (r < 0) {
				return r;
			}
		}
		cJSON_AddItemToArray(turns, cJSON_CreateDoubleArray(nsec, SIDES));
	}
	return 0;
}

/* With the same two buffers on all sides: where a buffer lies may make some percent, and a lessee
 * may show its master's. */
static int compare(const struct probe *probe, const struct kms *output) {
	struct kms sides[SIDES] = {*output, *output, *output};
	AUTO_CLOSE int lease_fd = -1;
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	cJSON *turns = cJSON_AddArrayToObject(json, "turns");
	int r = lease_output(output, &lease_fd);
	const uint64_t end_usec = report_now_usec() + probe->number * 1000000;

	sides[LEASE].fd = lease_fd;
	while (r >= 0 && report_now_usec() < end_usec) {
		r = take_turns(sides, turns);
	}
	if (r >= 0) {
		report_line(json);
	}
	return r;
}

int probe_flip_turns(const struct probe *probe) {
	struct probe_output output;
	int r = probe_open(probe, &output);

	if (r < 0) {
		return r;
	}
	r = show(probe, &output.kms);
	if (r >= 0) {
		r = compare(probe, &output.kms);
	}
	probe_close(&output);
	return r;
}
