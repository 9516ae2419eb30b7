#include "daemon/bus/bus_property.h"

#include <errno.h>
#include <string.h>

#include "daemon/core/hostmem.h"
#include "daemon/core/selection.h"

struct warnings {
	sd_bus_message *message;
	int error;
};

static void append_warning(void *data, const char *text) {
	struct warnings *warnings = data;
	if (warnings->error >= 0) {
		warnings->error = sd_bus_message_append_basic(warnings->message, 's', text);
	}
}

/* They tell of others' scanouts, and of the host: nothing for containers. */
static int append_warnings(sd_bus_message *reply, const struct peer *peer) {
	const struct manager *manager = peer->manager;
	struct warnings warnings = {.message = reply};
	int r = sd_bus_message_open_container(reply, 'a', "s");
	if (r < 0) {
		return r;
	}
	if (!peer->agents) {
		selection_check(manager, append_warning, &warnings);
		if (manager->host_is_full) {
			append_warning(&warnings, HOSTMEM_WARNING);
		}
	}
	return warnings.error < 0 ? warnings.error : sd_bus_message_close_container(reply);
}

int bus_property_get(sd_bus *connection, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct peer *peer = data;
	unsigned total, n_free;
	if (strcmp(property, "Version") == 0) {
		return sd_bus_message_append(reply, "s", SCANOUTD_VERSION);
	}
	if (strcmp(property, "Paused") == 0) {
		return sd_bus_message_append(reply, "b", (int)peer->manager->host.paused);
	}
	if (strcmp(property, "Warnings") == 0) {
		return append_warnings(reply, peer);
	}
	manager_count(peer->manager, &total, &n_free);
	return sd_bus_message_append(
		reply, "u", (uint32_t)(strcmp(property, "Free") == 0 ? n_free : total));
}
