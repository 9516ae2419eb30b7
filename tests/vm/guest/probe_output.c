#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "common/cleanup.h"
#include "kms_atomic.h"
#include "probe.h"
#include "report.h"
#include "stop.h"

int probe_failed(int r, const char *what) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "failed", what);
	cJSON_AddStringToObject(json, "errno", report_errno(r));
	report_line(json);
	fprintf(stderr, "probe: %s: %s\n", what, strerror(-r));
	return r;
}

int probe_refused(int r, const sd_bus_error *error) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "error", error->name);
	cJSON_AddStringToObject(json, "message", error->message);
	report_line(json);
	fprintf(stderr, "probe: %s: %s\n", error->name, error->message);
	return r;
}

static int open_card(const char *path, int *ret) {
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		return probe_failed(-errno, "open the card");
	}
	/* The first one to open it is master already; the call fails for all but that one. */
	if (drmSetMaster(fd) < 0 && !drmIsMaster(fd)) {
		return probe_failed(-errno, "become the card's master");
	}
	*ret = TAKE_FD(fd);
	return 0;
}

int probe_take(const struct probe *probe, struct probe_output *ret) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	*ret = (struct probe_output){.lease.fd = -1};
	if (probe->card != NULL) {
		return open_card(probe->card, &ret->lease.fd);
	}
	if (!probe->request) {
		r = lease_inherit(&ret->lease);
		return r < 0 ? probe_failed(r, "take the inherited lease") : 0;
	}
	r = lease_ask(&probe->wish, &error, &ret->lease);
	return r < 0 ? probe_refused(r, &error) : 0;
}

int probe_open(const struct probe *probe, struct probe_output *ret) {
	struct probe_output output;
	int r;

	r = probe_take(probe, &output);
	if (r < 0) {
		return r;
	}
	r = kms_init(&output.kms, output.lease.fd, probe->connector);
	if (r >= 0 && probe->atomic) {
		r = kms_atomic_enable(&output.kms);
	}
	if (r < 0) {
		close(output.lease.fd);
		return probe_failed(r, "find an output");
	}
	lease_name(&output.lease, output.kms.connector_name, output.kms.index);
	*ret = output;
	return 0;
}

void probe_pause(const struct probe *probe) {
	if (probe->pause_usec > 0) {
		usleep((useconds_t)probe->pause_usec);
	}
}

int probe_show(const struct probe *probe, struct probe_output *output) {
	struct kms *kms = &output->kms;
	int r;

	r = kms_pick_mode(kms, probe->width, probe->height);
	if (r < 0) {
		return probe_failed(r, "find a mode");
	}
	r = kms_create_buffers(kms);
	if (r < 0) {
		return probe_failed(r, "allocate buffers");
	}
	kms_fill(kms, 0, probe->fill);
	kms_fill(kms, 1, probe->has_other ? probe->fill_other : probe->fill);
	r = kms_set_crtc(kms, 0);
	return r < 0 ? probe_failed(r, "set the mode") : 0;
}

int probe_work(const struct probe *probe, probe_work_fn work) {
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
		r = work(probe, &output, stop_fd);
	}
	probe_close(&output);
	return r;
}

void probe_close(struct probe_output *output) {
	kms_finish(&output->kms);
	if (output->lease.fd >= 0) {
		close(output->lease.fd);
	}
}

cJSON *probe_describe(const struct probe_output *output) {
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "scanout", output->lease.id);
	cJSON_AddNumberToObject(json, "index", output->lease.index);
	cJSON_AddNumberToObject(json, "lessee", output->lease.lessee);
	cJSON_AddNumberToObject(json, "generation", (double)output->lease.generation);
	cJSON_AddStringToObject(json, "connector", output->kms.connector_name);
	cJSON_AddNumberToObject(json, "crtc", output->kms.crtc_id);
	cJSON_AddNumberToObject(json, "width", output->kms.mode.hdisplay);
	cJSON_AddNumberToObject(json, "height", output->kms.mode.vdisplay);
	cJSON_AddBoolToObject(json, "atomic", output->kms.atomic);
	cJSON_AddBoolToObject(json, "hotspot", output->kms.hotspot);
	return json;
}
