#include "bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "log.h"

#define DEFAULT_ADDRESS "unix:path=/run/dbus/system_bus_socket"

/* A bus that dies may take a connection and drop it, many times in a moment. */
#define RECONNECT_USEC 100000

static int bus_connect(struct bus *bus);
static void bus_disconnect(struct bus *bus);

bool peer_sees(const struct peer *peer, const struct scanout *scanout) {
	return !peer->guest ||
	       (scanout->lease && identity_acts_for(&peer->identity, &scanout->lease->holder));
}

int peer_identify(const struct peer *peer, sd_bus_message *message, struct identity *ret) {
	if (!peer->guest) {
		return identity_of_sender(message, ret);
	}
	*ret = peer->identity;
	return 0;
}

int peer_register(struct peer *peer) {
	int r = bus_manager_register(peer);
	if (r < 0) {
		return r;
	}
	r = bus_scanout_register(peer);
	if (r < 0) {
		return r;
	}
	return sd_bus_add_object_manager(peer->connection, NULL, SCANOUT_BUS_PATH);
}

/* The signals. Sending fails only without memory or a bus: then nobody hears them. */

static void announce_to(struct peer *peer) {
	struct card *card;
	struct scanout *scanout;
	TAILQ_FOREACH (card, &peer->bus->manager->cards, link) {
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if (scanout->announce && peer_sees(peer, scanout)) {
				bus_scanout_emit_changed(peer, scanout);
			}
		}
	}
	if (peer->bus->counts_changed) {
		sd_bus_emit_properties_changed(peer->connection, SCANOUT_BUS_PATH,
			SCANOUT_MANAGER_INTERFACE, "Free", "Total", NULL);
	}
}

static int announce(sd_event_source *source, void *data) {
	struct bus *bus = data;
	struct peer *peer;
	struct card *card;
	struct scanout *scanout;
	announce_to(&bus->system);
	TAILQ_FOREACH (peer, &bus->guests, link) {
		announce_to(peer);
	}
	bus->counts_changed = false;
	TAILQ_FOREACH (card, &bus->manager->cards, link) {
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			scanout->announce = false;
		}
	}
	return 0;
}

static void announce_later(struct bus *bus) {
	sd_event_source_set_enabled(bus->announcer, SD_EVENT_ONESHOT);
}

static void on_changed(void *data, struct scanout *scanout) {
	struct bus *bus = data;
	scanout->announce = true;
	bus->counts_changed = true;
	announce_later(bus);
}

static void emit_added(struct peer *peer, const struct scanout *scanout) {
	AUTO_FREE char *path = NULL;
	if (bus_scanout_path(scanout, &path) >= 0) {
		sd_bus_emit_object_added(peer->connection, path);
	}
}

static void emit_removed(struct peer *peer, const struct scanout *scanout) {
	AUTO_FREE char *path = NULL;
	if (bus_scanout_path(scanout, &path) >= 0) {
		sd_bus_emit_interfaces_removed(
			peer->connection, path, SCANOUT_SCANOUT_INTERFACE, NULL);
	}
}

static void emit_ended(
	struct peer *peer, const struct scanout *scanout, enum lease_end_reason reason) {
	AUTO_FREE char *path = NULL;
	if (bus_scanout_path(scanout, &path) >= 0) {
		sd_bus_emit_signal(peer->connection, SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE,
			"ScanoutEnded", "os", path, lease_end_reason_name(reason));
	}
}

static void on_added(void *data, struct scanout *scanout) {
	struct bus *bus = data;
	scanout->announce = false; // InterfacesAdded carries all properties
	emit_added(&bus->system, scanout);
}

static void on_removed(void *data, struct scanout *scanout) {
	struct bus *bus = data;
	emit_removed(&bus->system, scanout);
	bus->counts_changed = true;
	announce_later(bus);
}

static void on_leased(void *data, struct lease *lease) {
	struct bus *bus = data;
	struct peer *peer;
	bus_manager_emit_leased(&bus->system, lease);
	TAILQ_FOREACH (peer, &bus->guests, link) {
		if (peer_sees(peer, lease->scanout)) {
			emit_added(peer, lease->scanout);
			bus_manager_emit_leased(peer, lease);
		}
	}
}

static void on_ended(void *data, struct scanout *scanout, const struct identity *holder,
	enum lease_end_reason reason) {
	struct bus *bus = data;
	struct peer *peer;
	emit_ended(&bus->system, scanout, reason);
	TAILQ_FOREACH (peer, &bus->guests, link) {
		if (identity_acts_for(&peer->identity, holder)) {
			emit_ended(peer, scanout, reason);
			emit_removed(peer, scanout);
		}
	}
}

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
	if (r >= 0 && result == 2 && bus->queued) { // IN_QUEUE
		bus->in_line = true;
		bus->queued(bus->data);
		return 0;
	}
	if (r < 0 || (result != 1 && result != 4)) { // PRIMARY_OWNER, ALREADY_OWNER
		log_error(
			"Another scanoutd has the name " SCANOUT_BUS_NAME " already. Stop it first "
			"('systemctl stop scanoutd'), or take its place with --replace");
		bus->failed(bus->data, -EEXIST);
		return 0;
	}
	bus->queued = NULL;
	bus->ready(bus->data);
	return 0;
}

/* The bus gives us the name in the very moment in which the other daemon goes. */
static int on_name_acquired(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct bus *bus = data;
	const char *name, *sender = sd_bus_message_get_sender(message);
	if (bus->in_line && sender && strcmp(sender, "org.freedesktop.DBus") == 0 &&
		sd_bus_message_is_signal(message, "org.freedesktop.DBus", "NameAcquired") &&
		sd_bus_message_read(message, "s", &name) >= 0 &&
		strcmp(name, SCANOUT_BUS_NAME) == 0) {
		bus->in_line = false;
		bus->queued = NULL;
		bus->ready(bus->data);
	}
	return 0; // others may look at it, too
}

static int request_name(struct bus *bus) {
	/* DO_NOT_QUEUE (4): to wait in line behind another daemon would look like working, unless
	 * that one is about to go. */
	return sd_bus_call_method_async(bus->system.connection, NULL, "org.freedesktop.DBus",
		"/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", on_name, bus, "su",
		SCANOUT_BUS_NAME, (uint32_t)(bus->queued ? 0 : 4));
}

void bus_queue_for_name(struct bus *bus, void (*queued)(void *data)) {
	bus->queued = queued;
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

static void on_prepared(void *data) {
	bus_take_name(data);
}

static void on_paused(void *data) {
	struct bus *bus = data;
	struct peer *peer;
	bus_manager_emit_paused(&bus->system);
	TAILQ_FOREACH (peer, &bus->guests, link) {
		bus_manager_emit_paused(peer);
	}
}

static const struct manager_observer observer = {
	.added = on_added,
	.removed = on_removed,
	.changed = on_changed,
	.leased = on_leased,
	.ended = on_ended,
	.paused = on_paused,
	.prepared = on_prepared,
};

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
	bus->in_line = false;
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
	return sd_bus_attach_event(c, bus->manager->event, SD_EVENT_PRIORITY_NORMAL);
}

static int bus_connect(struct bus *bus) {
	int r = sd_bus_new(&bus->system.connection);
	if (r < 0) {
		return r;
	}
	r = peer_register(&bus->system);
	if (r < 0) {
		return r;
	}
	r = start(bus);
	if (r < 0) {
		return r;
	}
	/* Sent to us alone, so that no match rule is needed on the bus itself. */
	r = sd_bus_add_filter(bus->system.connection, NULL, on_name_acquired, bus);
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
	bus->system.bus = bus;
	TAILQ_INIT(&bus->guests);
	TAILQ_INIT(&bus->calls);
	int r = sd_event_add_defer(manager->event, &bus->announcer, announce, bus);
	if (r >= 0) {
		r = sd_event_source_set_enabled(bus->announcer, SD_EVENT_OFF);
	}
	if (r >= 0) {
		/* After the replies: nobody waits for a PropertiesChanged. */
		r = sd_event_source_set_priority(bus->announcer, SD_EVENT_PRIORITY_IDLE);
	}
	if (r >= 0) {
		r = sd_event_add_time(
			manager->event, &bus->reconnect, CLOCK_MONOTONIC, 0, 0, reconnect, bus);
	}
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
	manager->observer = &observer;
	manager->observer_data = bus;
	*ret = bus;
	return 0;
}

void bus_destroy(struct bus *bus) {
	if (!bus) {
		return;
	}
	if (bus->manager->observer_data == bus) {
		bus->manager->observer = NULL;
	}
	bus_drop_guests(bus);
	bus_manager_drop_calls(&bus->system);
	sd_event_source_disable_unref(bus->announcer);
	sd_event_source_disable_unref(bus->reconnect);
	sd_bus_flush_close_unref(bus->system.connection);
	free(bus);
}
