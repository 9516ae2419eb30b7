#include "ctl/guestsocket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "lib/connection.h"
#include "scanout/dbus_names.h"

#define CHECK "guest socket"

void guestsocket_check(struct diagnosis *d) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_FREE char *version = NULL;
	AUTO_BUS sd_bus *bus = NULL;
	if (access(CONNECTION_GUEST_FOLDER, F_OK) < 0) {
		return; // without systemd it may be anywhere
	}
	int r = sd_bus_new(&bus);
	if (r >= 0) {
		r = sd_bus_set_address(bus, "unix:path=" CONNECTION_GUEST_SOCKET);
	}
	if (r >= 0) {
		r = sd_bus_set_method_call_timeout(bus, CONNECTION_ANSWER_USEC);
	}
	if (r >= 0) {
		r = sd_bus_start(bus);
	}
	if (r == -ENOENT || r == -ECONNREFUSED) {
		diagnosis_add(d, VERDICT_FAIL, CHECK,
			"systemctl stop scanoutd.socket; systemctl restart scanoutd",
			"Nobody listens at " CONNECTION_GUEST_SOCKET
			" (%s), so containers cannot ask.",
			strerror(-r));
		return;
	}
	if (r >= 0) {
		r = sd_bus_get_property_string(bus, NULL, SCANOUT_BUS_PATH,
			SCANOUT_MANAGER_INTERFACE, "Version", &error, &version);
	}
	if (r < 0) {
		diagnosis_add(d, VERDICT_FAIL, CHECK,
			"systemctl restart scanout-front; journalctl -b -u scanout-front",
			"Containers that ask at " CONNECTION_GUEST_SOCKET " get no answer: %s.",
			error.message ? error.message : strerror(-r));
		return;
	}
	diagnosis_add(d, VERDICT_OK, CHECK, NULL, "containers are answered");
}
