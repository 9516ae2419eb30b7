/* Many requests, and how long each takes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"
#include "scanout/dbus_names.h"

/* A scanout that was just closed is drained first; storm is not about that wait. A day is the most
 * that scanoutd takes. */
#define STORM_TIMEOUT_USEC (24 * 3600 * 1000000ull)

static void count_failure(cJSON *failures, const char *name) {
	cJSON *count = cJSON_GetObjectItemCaseSensitive(failures, name);

	if (count == NULL) {
		cJSON_AddNumberToObject(failures, name, 1);
	} else {
		cJSON_SetNumberValue(count, cJSON_GetNumberValue(count) + 1);
	}
}

static int open_system_bus(sd_bus **ret) {
	int r = sd_bus_open_system(ret);

	return r < 0 ? probe_failed(r, "connect to the system bus") : 0;
}

static int count_free(sd_bus *bus, uint32_t *ret) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_get_property_trivial(bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, "Free", &error, 'u', ret);

	return r < 0 ? probe_refused(r, &error) : 0;
}

/*
 * Waits until as many scanouts are free as before. Each question is a call that scanoutd answers
 * between two steps of its work, so asking again at once is no busy loop on its account.
 */
static int settle(sd_bus *bus, uint32_t free_before) {
	uint32_t free_now;
	int r;

	do {
		r = count_free(bus, &free_now);
	} while (r >= 0 && free_now < free_before);
	return r;
}

int probe_storm(const struct probe *probe) {
	AUTO_FREE uint64_t *samples = calloc(probe->number, sizeof(*samples));
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_BUS sd_bus *bus = NULL;
	cJSON *failures = cJSON_AddObjectToObject(json, "failures");
	struct lease_wish wish = probe->wish;
	uint32_t free_before = 0;
	size_t done = 0;
	uint64_t start;

	if (samples == NULL) {
		return probe_failed(-ENOMEM, "allocate samples");
	}
	if (open_system_bus(&bus) < 0) {
		return -EIO;
	}
	if (wish.timeout_usec == 0) {
		wish.timeout_usec = STORM_TIMEOUT_USEC;
	}
	if (probe->settle && count_free(bus, &free_before) < 0) {
		return -EIO;
	}
	start = report_now_usec();
	for (uint64_t i = 0; i < probe->number; i++) {
		AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
		struct lease lease;
		uint64_t before;

		if (probe->n_scanouts > 0) {
			wish.scanout = probe->scanouts[i % probe->n_scanouts];
		}
		probe_pause(probe);
		before = report_now_usec();
		if (lease_request(bus, &wish, &error, &lease) < 0) {
			count_failure(failures, error.name);
			continue;
		}
		samples[done++] = report_now_usec() - before;
		close(lease.fd);
		if (probe->settle && settle(bus, free_before) < 0) {
			return -EIO;
		}
	}
	cJSON_AddNumberToObject(json, "count", (double)probe->number);
	cJSON_AddNumberToObject(json, "granted", (double)done);
	cJSON_AddNumberToObject(json, "seconds", (double)(report_now_usec() - start) / 1e6);
	report_latencies(json, samples, done);
	report_line(json);
	return done == probe->number ? 0 : -EIO;
}

int probe_rpc_latency(const struct probe *probe) {
	AUTO_FREE uint64_t *samples = calloc(probe->number, sizeof(*samples));
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_BUS sd_bus *bus = NULL;

	if (samples == NULL) {
		return probe_failed(-ENOMEM, "allocate samples");
	}
	if (open_system_bus(&bus) < 0) {
		return -EIO;
	}
	for (uint64_t i = 0; i < probe->number; i++) {
		uint64_t before;
		int r;

		probe_pause(probe);
		before = report_now_usec();
		r = sd_bus_call_method(bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			"org.freedesktop.DBus.Peer", "Ping", &error, NULL, NULL);
		if (r < 0) {
			return probe_refused(r, &error);
		}
		samples[i] = report_now_usec() - before;
	}
	cJSON_AddNumberToObject(json, "count", (double)probe->number);
	report_latencies(json, samples, probe->number);
	report_line(json);
	return 0;
}

/* Creates one lease, times the call alone, and ends it by closing. */
static int lease_once(const struct kms *kms, uint64_t *ret_usec) {
	const uint32_t objects[] = {
		kms->connector_id, kms->crtc_id, kms->primary_id, kms->cursor_id};
	const int n = kms->cursor_id != 0 ? 4 : 3;
	const uint64_t before = report_now_usec();
	uint32_t lessee;
	int fd;

	fd = drmModeCreateLease(kms->fd, objects, n, O_CLOEXEC | O_NONBLOCK, &lessee);
	*ret_usec = report_now_usec() - before;
	if (fd < 0) {
		return -errno;
	}
	close(fd);
	return 0;
}

int probe_ioctl_latency(const struct probe *probe) {
	AUTO_FREE uint64_t *samples = calloc(probe->number, sizeof(*samples));
	AUTO_JSON cJSON *json = NULL;
	struct probe_output output;
	int r;

	if (samples == NULL) {
		return probe_failed(-ENOMEM, "allocate samples");
	}
	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	for (uint64_t i = 0; i < probe->number && r >= 0; i++) {
		probe_pause(probe);
		r = lease_once(&output.kms, &samples[i]);
	}
	if (r < 0) {
		probe_failed(r, "create a lease");
	} else {
		json = probe_describe(&output);
		cJSON_AddNumberToObject(json, "count", (double)probe->number);
		report_latencies(json, samples, probe->number);
		report_line(json);
	}
	probe_close(&output);
	return r;
}
