#include "link/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "scanout/dbus_names.h"

#define RETRY_USEC UINT64_C(1000000)

#define MANAGER "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

static void forget_owner(struct bus *bus) {
	bus->query = sd_bus_slot_unref(bus->query);
	free(TAKE_PTR(bus->owner));
}

static void fail(struct bus *bus, const char *advice, const char *detail) {
	bool was_there = bus->owner;
	say_seldom(&bus->failed, "%s (%s). Trying again", advice, detail);
	forget_owner(bus);
	bus->bus = sd_bus_close_unref(bus->bus);
	(void)sd_event_source_set_time_relative(bus->again, RETRY_USEC);
	(void)sd_event_source_set_enabled(bus->again, SD_EVENT_ONESHOT);
	if (was_there) {
		bus->changed(bus->data, false);
	}
}

/* The scanout of an object, to be freed; -ENOENT: it is another object. */
static int decode(const char *path, char **ret) {
	AUTO_FREE char *id = NULL;
	int r = sd_bus_path_decode(path, SCANOUT_BUS_PATH, &id);
	if (r <= 0 || *id == '\0') {
		return r < 0 ? r : -ENOENT;
	}
	*ret = TAKE_PTR(id);
	return 0;
}

/* An object and its interfaces, "oa{sa{sv}}", as one that is there. */
static int read_object(struct bus *bus, sd_bus_message *message) {
	AUTO_FREE char *id = NULL;
	const char *path, *interface;
	struct reading reading;
	bool is_scanout = false;
	int r = sd_bus_message_read(message, "o", &path);
	r = r < 0 ? r : sd_bus_message_enter_container(message, 'a', "{sa{sv}}");
	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sa{sv}")) > 0) {
		r = sd_bus_message_read(message, "s", &interface);
		if (r >= 0 && strcmp(interface, SCANOUT_SCANOUT_INTERFACE) == 0) {
			is_scanout = true;
			r = reading_read(message, &reading);
		} else if (r >= 0) {
			r = sd_bus_message_skip(message, "a{sv}");
		}
		r = r < 0 ? r : sd_bus_message_exit_container(message);
	}
	r = r < 0 ? r : sd_bus_message_exit_container(message);
	if (r >= 0 && is_scanout && decode(path, &id) == 0) {
		r = roster_add(bus->roster, id, &reading);
		if (r == -EXFULL) {
			say_seldom(&bus->failed,
				"There are more than %d scanouts; the host hears of no more",
				ROSTER_MAX);
			r = 0;
		}
	}
	return r < 0 ? r : 0;
}

static int read_objects(struct bus *bus, sd_bus_message *reply) {
	int r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
	roster_begin(bus->roster);
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
		r = read_object(bus, reply);
		r = r < 0 ? r : sd_bus_message_exit_container(reply);
	}
	if (r >= 0) {
		roster_complete(bus->roster);
	}
	return r;
}

static void handle_refused(struct bus *bus, const sd_bus_error *error) {
	if (strcmp(error->name, SD_BUS_ERROR_SERVICE_UNKNOWN) == 0 ||
		strcmp(error->name, SD_BUS_ERROR_NAME_HAS_NO_OWNER) == 0) {
		bus->changed(bus->data, false); // the bus tells when it is back
	} else if (strcmp(error->name, SD_BUS_ERROR_ACCESS_DENIED) == 0) {
		fail(bus,
			"The bus does not let scanout-link ask scanoutd. Type: systemctl reload "
			"dbus",
			error->message);
	} else {
		fail(bus, "scanoutd does not tell its scanouts", error->message);
	}
}

static int handle_objects(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct bus *bus = data;
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	const char *sender = sd_bus_message_get_sender(reply);
	bus->query = sd_bus_slot_unref(bus->query);
	if (error) {
		handle_refused(bus, error);
		return 0;
	}
	bus->owner = strdup(sender ? sender : "");
	int r = bus->owner ? read_objects(bus, reply) : -ENOMEM;
	if (r < 0) {
		fail(bus, "scanoutd's scanouts cannot be read", strerror(-r));
	} else {
		bus->changed(bus->data, true);
	}
	return 0;
}

/* From the reply on, signals tell what changes; those before it are in it. */
static int query(struct bus *bus) {
	AUTO_MESSAGE sd_bus_message *call = NULL;
	forget_owner(bus);
	int r = sd_bus_message_new_method_call(
		bus->bus, &call, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH, MANAGER, "GetManagedObjects");
	r = r < 0 ? r : sd_bus_message_set_auto_start(call, false);
	return r < 0 ? r : sd_bus_call_async(bus->bus, &bus->query, call, handle_objects, bus, 0);
}

static int handle_owner(sd_bus_message *signal, void *data, sd_bus_error *error) {
	struct bus *bus = data;
	const char *name, *before, *now;
	int r = sd_bus_message_read(signal, "sss", &name, &before, &now);
	if (r < 0) {
		return 0;
	}
	if (*now) {
		r = query(bus);
		if (r < 0) {
			fail(bus, "scanoutd cannot be asked", strerror(-r));
		}
	} else {
		forget_owner(bus);
		bus->changed(bus->data, false);
	}
	return 0;
}

static int read_change(struct bus *bus, sd_bus_message *signal) {
	AUTO_FREE char *id = NULL;
	struct reading reading;
	const char *interface;
	int r = sd_bus_message_read(signal, "s", &interface);
	if (r < 0 || strcmp(interface, SCANOUT_SCANOUT_INTERFACE) != 0 ||
		decode(sd_bus_message_get_path(signal), &id) < 0) {
		return r;
	}
	r = reading_read(signal, &reading);
	if (r >= 0) {
		roster_change(bus->roster, id, &reading);
	}
	return r;
}

static int read_end(struct bus *bus, sd_bus_message *signal) {
	AUTO_FREE char *id = NULL;
	const char *path, *reason;
	int r = sd_bus_message_read(signal, "os", &path, &reason);
	if (r >= 0 && decode(path, &id) == 0) {
		roster_end(bus->roster, id, reason);
	}
	return r;
}

static int read_removal(struct bus *bus, sd_bus_message *signal) {
	AUTO_FREE char *id = NULL;
	const char *path;
	int r = sd_bus_message_read(signal, "o", &path);
	if (r >= 0 && decode(path, &id) == 0) {
		roster_remove(bus->roster, id);
	}
	return r;
}

static const struct {
	const char *interface, *member;
	int (*read)(struct bus *bus, sd_bus_message *signal);
} signals[] = {
	{PROPERTIES, "PropertiesChanged", read_change},
	{SCANOUT_MANAGER_INTERFACE, "ScanoutEnded", read_end},
	{MANAGER, "InterfacesAdded", read_object},
	{MANAGER, "InterfacesRemoved", read_removal},
};

/* Anybody on the bus may send us a signal. */
static int handle_signal(sd_bus_message *signal, void *data, sd_bus_error *error) {
	struct bus *bus = data;
	const char *sender = sd_bus_message_get_sender(signal);
	int r = 0;
	if (!bus->owner || !sender || strcmp(sender, bus->owner) != 0) {
		return 0;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sd_bus_message_is_signal(signal, signals[i].interface, signals[i].member) > 0) {
			r = signals[i].read(bus, signal);
		}
	}
	if (r < 0) {
		fail(bus, "A signal of scanoutd cannot be read", strerror(-r));
	}
	return 0;
}

static int handle_gone(sd_bus_message *message, void *data, sd_bus_error *error) {
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected") > 0) {
		fail(data, "The system bus has closed the connection", strerror(ECONNRESET));
	}
	return 0;
}

static int connect_bus(struct bus *bus) {
	int r = sd_bus_open_system(&bus->bus);
	r = r < 0 ? r : sd_bus_add_filter(bus->bus, NULL, handle_gone, bus);
	r = r < 0 ? r : sd_bus_attach_event(bus->bus, bus->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0) {
		r = sd_bus_add_match_async(bus->bus, NULL,
			"type='signal',sender='" SCANOUT_BUS_NAME
			"',path_namespace='" SCANOUT_BUS_PATH "'",
			handle_signal, NULL, bus);
	}
	if (r >= 0) {
		r = sd_bus_add_match_async(bus->bus, NULL,
			"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
			"arg0='" SCANOUT_BUS_NAME "'",
			handle_owner, NULL, bus);
	}
	return r < 0 ? r : query(bus);
}

static int handle_again(sd_event_source *source, uint64_t usec, void *data) {
	struct bus *bus = data;
	int r = connect_bus(bus);
	if (r < 0) {
		fail(bus, "The system bus cannot be reached. Type: systemctl start dbus",
			strerror(-r));
	}
	return 0;
}

int bus_open(struct bus *bus) {
	return sd_event_add_time_relative(
		bus->event, &bus->again, CLOCK_MONOTONIC, 0, 0, handle_again, bus);
}

void bus_close(struct bus *bus) {
	forget_owner(bus);
	bus->bus = sd_bus_close_unref(bus->bus);
	bus->again = sd_event_source_disable_unref(bus->again);
}
