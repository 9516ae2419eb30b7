#include "daemon/bus/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/bus/bus_manager.h"
#include "daemon/util/log.h"
#include "scanout/dbus_names.h"

#define DEFAULT_ADDRESS "unix:path=/run/dbus/system_bus_socket"

/* A bus that dies may take a connection and drop it, many times in a moment. */
#define RECONNECT_USEC 100000

static int bus_connect(struct bus *bus);
static void bus_disconnect(struct bus *bus);

static int on_name(sd_bus_message *reply, void *data, sd_bus_error *error) {
	struct bus *bus = data;
	const sd_bus_error *refused = sd_bus_message_get_error(reply);
	uint32_t result = 0;

	if (refused && !sd_bus_is_open(sd_bus_message_get_bus(reply))) {
		return 0; // the bus went away before it answered: on_disconnected() asks the next
			  // one
	}
	if (refused) {
		log_error("The bus refuses the name " SCANOUT_BUS_NAME
			  ": %s. Install the bus policy "
			  "('make install' does) and reload dbus",
			refused->message);
		bus->failed(bus->data, -EACCES);
		return 0;
	}
	int r = sd_bus_message_read(reply, "u", &result);
	if (r < 0 || (result != 1 && result != 4)) { // PRIMARY_OWNER, ALREADY_OWNER
		log_error(
			"Another scanoutd has the name " SCANOUT_BUS_NAME " already. Stop it first "
			"('systemctl stop scanoutd')");
		bus->failed(bus->data, -EEXIST);
		return 0;
	}
	bus->ready(bus->data);
	return 0;
}

static int request_name(struct bus *bus) {
	/* DO_NOT_QUEUE (4): to wait in line behind another daemon would look like working. */
	return sd_bus_call_method_async(bus->system.connection, NULL, "org.freedesktop.DBus",
		"/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", on_name, bus, "su",
		SCANOUT_BUS_NAME, UINT32_C(4));
}

void bus_take_name(struct bus *bus) {
	if (bus->want_name) {
		return;
	}
	bus->want_name = true;
	int r = bus->system.connection ? request_name(bus) : 0; // else with the connection
	if (r < 0) {
		log_error("Cannot ask for the bus name: %s", strerror(-r));
		bus->failed(bus->data, r);
	}
}

/* Whatever is wrong now, the leases do not depend on it: it is tried again and again. */
static int reconnect(sd_event_source *source, uint64_t usec, void *data) {
	struct bus *bus = data;
	int r = bus_connect(bus);
	if (r >= 0 && bus->want_name) {
		r = request_name(bus);
	}
	if (r < 0) {
		log_debug("The system bus is not back yet: %s", strerror(-r));
		bus_disconnect(bus);
	}
	return 0;
}

static void bus_disconnect(struct bus *bus) {
	bus->system.connection = sd_bus_close_unref(bus->system.connection);
	int r = sd_event_source_set_time_relative(bus->reconnect, RECONNECT_USEC);
	if (r >= 0) {
		r = sd_event_source_set_enabled(bus->reconnect, SD_EVENT_ONESHOT);
	}
	if (r < 0) {
		log_error("Cannot wait for the system bus: %s", strerror(-r));
		bus->failed(bus->data, r);
	}
}

static int on_disconnected(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct bus *bus = data;
	log_warning("The system bus is gone; leases go on. Waiting for it");
	bus_manager_drop_calls(&bus->system);
	bus_disconnect(bus);
	return 0;
}

static int start(struct bus *bus) {
	const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	sd_bus *c = bus->system.connection;
	int r = sd_bus_set_address(c, address ? address : DEFAULT_ADDRESS);
	if (r < 0) {
		return r;
	}
	r = sd_bus_set_bus_client(c, true);
	if (r < 0) {
		return r;
	}
	r = sd_bus_negotiate_fds(c, true);
	if (r < 0) {
		return r;
	}
	r = sd_bus_set_watch_bind(c, true); // an inotify on the socket's path, no retries
	if (r < 0) {
		return r;
	}
	r = sd_bus_start(c);
	if (r < 0) {
		return r;
	}
	return sd_bus_attach_event(c, bus->manager->host.event, SD_EVENT_PRIORITY_NORMAL);
}

static int bus_connect(struct bus *bus) {
	int r = sd_bus_new(&bus->system.connection);
	if (r < 0) {
		return r;
	}
	r = bus_manager_register(&bus->system);
	if (r < 0) {
		return r;
	}
	r = start(bus);
	if (r < 0) {
		return r;
	}
	return sd_bus_match_signal(bus->system.connection, NULL, "org.freedesktop.DBus.Local",
		"/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected",
		on_disconnected, bus);
}

int bus_new(struct manager *manager, void (*ready)(void *data),
	void (*failed)(void *data, int error), void *data, struct bus **ret) {
	struct bus *bus = calloc(1, sizeof(*bus));
	if (!bus) {
		return -ENOMEM;
	}
	*bus = (struct bus){.manager = manager, .ready = ready, .failed = failed, .data = data};
	bus->system.manager = manager;
	TAILQ_INIT(&bus->system.calls);
	int r = sd_event_add_time(
		manager->host.event, &bus->reconnect, CLOCK_MONOTONIC, 0, 0, reconnect, bus);
	if (r >= 0) {
		r = sd_event_source_set_enabled(bus->reconnect, SD_EVENT_OFF);
	}
	if (r >= 0) {
		r = bus_connect(bus);
	}
	if (r < 0) {
		bus_destroy(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

void bus_destroy(struct bus *bus) {
	if (!bus) {
		return;
	}
	bus_manager_drop_calls(&bus->system);
	sd_event_source_disable_unref(bus->reconnect);
	sd_bus_flush_close_unref(bus->system.connection);
	free(bus);
}
