#include "ctl/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "ctl/duration.h"
#include "ctl/place.h"
#include "ctl/report.h"
#include "ctl/scanout.h"
#include "scanout/dbus_names.h"

#define PATIENCE_USEC (30 * UINT64_C(1000000))

static int open_address(const char *address, sd_bus **ret) {
	AUTO_BUS sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);
	if (r < 0) {
		return r;
	}
	r = sd_bus_set_address(bus, address);
	if (r < 0) {
		return r;
	}
	r = sd_bus_set_bus_client(bus, true);
	if (r < 0) {
		return r;
	}
	r = sd_bus_negotiate_fds(bus, true);
	if (r < 0) {
		return r;
	}
	r = sd_bus_start(bus);
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(bus);
	return 0;
}

/* Whoever floods a socket fills its queue, which is empty again in a moment (unix(7): EAGAIN). */
int client_open(struct ctl *ctl) {
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	uint64_t end = duration_now_usec() + PATIENCE_USEC;
	int r;
	while ((r = ctl->address ? open_address(ctl->address, &ctl->bus)
				 : sd_bus_open_system(&ctl->bus)) == -EAGAIN &&
		duration_now_usec() < end) {
		(void)nanosleep(&pause, NULL);
	}
	return r;
}

char *client_open_advice(const struct ctl *ctl, int r) {
	const char *environment = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	const char *elsewhere = place_advise();
	char *advice = NULL;
	int n;
	if (ctl->address) {
		n = asprintf(&advice, "The bus at '%s' cannot be reached (%s). Check --address.",
			ctl->address, strerror(-r));
	} else if (elsewhere) {
		n = asprintf(&advice, "The system bus%s%s%s cannot be reached (%s). %s",
			environment ? " at '" : "", environment ? environment : "",
			environment ? "'" : "", strerror(-r), elsewhere);
	} else if (environment) {
		n = asprintf(&advice,
			"The system bus at '%s' cannot be reached (%s). "
			"Check DBUS_SYSTEM_BUS_ADDRESS, or type: unset DBUS_SYSTEM_BUS_ADDRESS",
			environment, strerror(-r));
	} else {
		n = asprintf(&advice,
			"The system bus cannot be reached (%s). Type: systemctl start dbus",
			strerror(-r));
	}
	return n < 0 ? NULL : advice;
}

int client_connect(struct ctl *ctl) {
	int r = client_open(ctl);
	if (r < 0) {
		AUTO_FREE char *advice = client_open_advice(ctl, r);
		return report(ctl, CTL_UNREACHABLE, "BusUnreachable", "%s",
			advice ? advice : strerror(-r));
	}
	return CTL_OK;
}

static int read_list(struct ctl *ctl, cJSON **ret) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	int r = sd_bus_call_method(ctl->bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, "ListScanouts", &error, &reply, NULL);
	if (r < 0) {
		return report_call(ctl, &error, r);
	}
	r = scanout_read_list(reply, ret);
	if (r < 0) {
		return report_bad_reply(ctl, "ListScanouts", r);
	}
	return CTL_OK;
}

int client_list(struct ctl *ctl, cJSON **ret) {
	int code = client_connect(ctl);
	return code == CTL_OK ? read_list(ctl, ret) : code;
}

static int handle_change(sd_bus_message *message, void *data, sd_bus_error *error) {
	*(bool *)data = true;
	return 0;
}

/* Until something changes, or the time comes. */
static int wait_for_change(sd_bus *bus, uint64_t end, bool *changed) {
	int r = 0;
	*changed = false;
	for (uint64_t now = duration_now_usec(); r >= 0 && !*changed && now < end;
		now = duration_now_usec()) {
		r = sd_bus_process(bus, NULL);
		if (r == 0) {
			r = sd_bus_wait(bus, end - now);
		}
	}
	return r;
}

/* Like read_list(), until that is enough. */
static int read_until(struct ctl *ctl, uint64_t usec, bool (*enough)(const cJSON *list),
	bool *changed, cJSON **ret) {
	uint64_t end = duration_now_usec() + usec;
	int code;
	while ((code = read_list(ctl, ret)) == CTL_OK && !enough(*ret) &&
		duration_now_usec() < end) {
		cJSON_Delete(*ret);
		*ret = NULL;
		int r = wait_for_change(ctl->bus, end, changed);
		if (r < 0) {
			return report_call(ctl, &SD_BUS_ERROR_NULL, r);
		}
	}
	return code;
}

int client_wait(struct ctl *ctl, uint64_t usec, bool (*enough)(const cJSON *list), cJSON **ret) {
	sd_bus_slot *slot = NULL;
	bool changed = false;
	int code = client_connect(ctl);
	if (code != CTL_OK) {
		return code;
	}
	int r = sd_bus_add_match(ctl->bus, &slot,
		"type='signal',sender='" SCANOUT_BUS_NAME "',path_namespace='" SCANOUT_BUS_PATH "'",
		handle_change, &changed);
	code = r < 0 ? report_call(ctl, &SD_BUS_ERROR_NULL, r)
		     : read_until(ctl, usec, enough, &changed, ret);
	sd_bus_slot_unref(slot);
	return code;
}

int client_find(struct ctl *ctl, const char *word, cJSON **ret) {
	AUTO_JSON cJSON *list = NULL;
	cJSON *scanout;
	int code = client_list(ctl, &list);
	if (code == CTL_OK) {
		code = scanout_find(ctl, list, word, &scanout);
	}
	if (code == CTL_OK) {
		*ret = cJSON_DetachItemViaPointer(list, scanout);
	}
	return code;
}

bool client_is_paused(struct ctl *ctl) {
	int paused = 0; // sd-bus writes a 'b' into an int
	int r = sd_bus_get_property_trivial(ctl->bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, "Paused", NULL, 'b', &paused);
	return r >= 0 && paused;
}
