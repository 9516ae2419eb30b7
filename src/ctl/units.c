#include "ctl/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "ctl/duration.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER SYSTEMD ".Manager"

/* systemd itself gives up on a unit after a while, by default after 90 s, and says so. */
#define PATIENCE_USEC (UINT64_C(120) * 1000 * 1000)

struct starting {
	struct unit *units;
	size_t n, left;
};

static void end_job(struct starting *starting, struct unit *unit, const char *problem) {
	snprintf(unit->problem, sizeof(unit->problem), "%s", problem);
	unit->ended = true;
	starting->left--;
}

static int handle_removed(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct starting *starting = data;
	const char *job, *name, *result;
	uint32_t id;
	if (sd_bus_message_read(message, "uoss", &id, &job, &name, &result) < 0) {
		return 0;
	}
	for (size_t i = 0; i < starting->n; i++) {
		if (!starting->units[i].ended && strcmp(starting->units[i].job, job) == 0) {
			end_job(starting, &starting->units[i],
				strcmp(result, "done") == 0 ? "" : result);
		}
	}
	return 0;
}

static void start(struct starting *starting, sd_bus *bus, struct unit *unit) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	const char *job;
	int r = sd_bus_call_method(bus, SYSTEMD, OBJECT, MANAGER, "StartUnit", &error, &reply, "ss",
		unit->name, "replace");
	if (r >= 0) {
		r = sd_bus_message_read(reply, "o", &job);
	}
	if (r < 0) {
		end_job(starting, unit, error.message ? error.message : strerror(-r));
	} else {
		snprintf(unit->job, sizeof(unit->job), "%s", job);
	}
}

/* Until the last of the jobs has ended. */
static int wait_for_jobs(struct starting *starting, sd_bus *bus) {
	uint64_t end = duration_now_usec() + PATIENCE_USEC;
	while (starting->left > 0) {
		int r = sd_bus_process(bus, NULL);
		uint64_t now = duration_now_usec();
		if (r == 0) {
			r = now < end ? sd_bus_wait(bus, end - now) : -ETIMEDOUT;
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

void units_start(sd_bus *bus, struct unit *units, size_t n) {
	struct starting starting = {.units = units, .n = n};
	sd_bus_slot *slot = NULL;
	int r = sd_bus_match_signal(
		bus, &slot, SYSTEMD, OBJECT, MANAGER, "JobRemoved", handle_removed, &starting);
	if (r >= 0) {
		/* Without it systemd sends no signals. */
		r = sd_bus_call_method(bus, SYSTEMD, OBJECT, MANAGER, "Subscribe", NULL, NULL, "");
	}
	for (size_t i = 0; i < n; i++) {
		starting.left += !units[i].ended;
	}
	for (size_t i = 0; i < n && r >= 0; i++) {
		if (!units[i].ended) {
			start(&starting, bus, &units[i]);
		}
	}
	if (r >= 0) {
		r = wait_for_jobs(&starting, bus);
	}
	for (size_t i = 0; i < n && r < 0; i++) {
		if (!units[i].ended) {
			end_job(&starting, &units[i], strerror(-r));
		}
	}
	sd_bus_slot_unref(slot);
}
