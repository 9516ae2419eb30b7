#include "client.h"

#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "names.h"
#include "report.h"
#include "scanout.h"

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

int client_open(struct ctl *ctl) {
	return ctl->address ? open_address(ctl->address, &ctl->bus) : sd_bus_open_system(&ctl->bus);
}

char *client_open_advice(const struct ctl *ctl, int r) {
	const char *environment = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	char *advice = NULL;
	int n;
	if (ctl->address) {
		n = asprintf(&advice, "The bus at '%s' cannot be reached (%s). Check --address.",
			ctl->address, strerror(-r));
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

int client_list(struct ctl *ctl, cJSON **ret) {
	int code = client_connect(ctl);
	if (code != CTL_OK) {
		return code;
	}
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
