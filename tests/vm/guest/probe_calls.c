/* How long each call of the daemon takes, while whatever else happens. */
#include <errno.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"
#include "scanout/dbus_names.h"

static int call(sd_bus *bus, const char *method, const char *id, uint64_t *ret_usec) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	const uint64_t before = report_now_usec();
	int r = sd_bus_call_method(bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, method, &error, NULL, id != NULL ? "s" : NULL, id);

	*ret_usec = report_now_usec() - before;
	return r < 0 ? probe_refused(r, &error) : 0;
}

/* Takes a scanout and gives it back, keeping the fd until then. */
static int take_once(
	sd_bus *bus, const struct lease_wish *wish, uint64_t *ret_request, uint64_t *ret_release) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	const uint64_t before = report_now_usec();
	struct lease lease;
	int r = lease_request(bus, wish, &error, &lease);

	*ret_request = report_now_usec() - before;
	if (r < 0) {
		return probe_refused(r, &error);
	}
	r = call(bus, "ReleaseScanout", lease.id, ret_release);
	close(lease.fd);
	return r;
}

static void add_latencies(cJSON *json, const char *name, uint64_t *samples, size_t n) {
	report_latencies(cJSON_AddObjectToObject(json, name), samples, n);
}

/* With --scanout, each round takes the next of those. */
int probe_calls(const struct probe *probe) {
	const size_t n = probe->number;
	AUTO_FREE uint64_t *samples = calloc(n, 3 * sizeof(*samples));
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_BUS sd_bus *bus = NULL;
	struct lease_wish wish = probe->wish;

	if (samples == NULL) {
		return probe_failed(-ENOMEM, "allocate samples");
	}
	/* The name is there once the bus knows us: to get in is not part of the first call. */
	const char *name;
	int r;
	/* The queue of the socket is full while somebody floods it. */
	while ((r = sd_bus_open_system(&bus)) == -EAGAIN) {
		usleep(20000);
	}
	if (r < 0) {
		return probe_failed(r, "connect to the system bus");
	}
	r = sd_bus_get_unique_name(bus, &name);
	if (r < 0) {
		return probe_failed(r, "get a name on the system bus");
	}
	for (size_t i = 0; i < n; i++) {
		if (probe->n_scanouts > 0) {
			wish.scanout = probe->scanouts[i % probe->n_scanouts];
		}
		r = call(bus, "ListScanouts", NULL, &samples[i]);
		if (r >= 0) {
			r = take_once(bus, &wish, &samples[n + i], &samples[2 * n + i]);
		}
		if (r < 0) {
			return r;
		}
	}
	add_latencies(json, "list", samples, n);
	add_latencies(json, "request", samples + n, n);
	add_latencies(json, "release", samples + 2 * n, n);
	report_line(json);
	return 0;
}
