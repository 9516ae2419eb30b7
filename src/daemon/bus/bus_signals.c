#include "daemon/bus/bus_signals.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/bus/bus_manager.h"
#include "daemon/bus/bus_scanout.h"
#include "scanout/dbus_names.h"

struct bus_signals {
	struct bus *bus;
	struct bus_agents *agents;
	sd_event_source *announcer; // defers PropertiesChanged until the reply is sent
	bool counts_changed;        // of Free or Total
};

/* Sending fails only without memory or a bus: then nobody hears them. */

static void announce_to(const struct bus_signals *signals, struct peer *peer) {
	struct card *card;
	struct scanout *scanout;
	MANAGER_FOREACH_SCANOUT (peer->manager, card, scanout) {
		if (scanout->announce && peer_sees(peer, scanout)) {
			bus_scanout_emit_changed(peer, scanout);
		}
	}
	if (signals->counts_changed) {
		sd_bus_emit_properties_changed(peer->connection, SCANOUT_BUS_PATH,
			SCANOUT_MANAGER_INTERFACE, "Free", "Total", NULL);
	}
}

static int announce(sd_event_source *source, void *data) {
	struct bus_signals *signals = data;
	struct peer *peer;
	struct card *card;
	struct scanout *scanout;
	announce_to(signals, &signals->bus->system);
	TAILQ_FOREACH (peer, &signals->agents->peers, link) {
		announce_to(signals, peer);
	}
	signals->counts_changed = false;
	MANAGER_FOREACH_SCANOUT (signals->bus->manager, card, scanout) {
		scanout->announce = false;
	}
	return 0;
}

static void announce_later(struct bus_signals *signals) {
	sd_event_source_set_enabled(signals->announcer, SD_EVENT_ONESHOT);
}

static void on_changed(void *data, struct scanout *scanout) {
	struct bus_signals *signals = data;
	scanout->announce = true;
	signals->counts_changed = true;
	announce_later(signals);
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
		/* All that InterfacesAdded told, or clients keep an object of what is left. */
		sd_bus_emit_interfaces_removed(peer->connection, path, SCANOUT_SCANOUT_INTERFACE,
			"org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable",
			"org.freedesktop.DBus.Properties", NULL);
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
	struct bus_signals *signals = data;
	scanout->announce = false; // InterfacesAdded carries all properties
	emit_added(&signals->bus->system, scanout);
}

static void on_removed(void *data, struct scanout *scanout) {
	struct bus_signals *signals = data;
	emit_removed(&signals->bus->system, scanout);
	signals->counts_changed = true;
	announce_later(signals);
}

static void on_leased(void *data, struct lease *lease) {
	struct bus_signals *signals = data;
	struct peer *peer;
	bus_manager_emit_leased(&signals->bus->system, lease);
	TAILQ_FOREACH (peer, &signals->agents->peers, link) {
		if (peer_sees(peer, lease->scanout)) {
			emit_added(peer, lease->scanout);
			bus_manager_emit_leased(peer, lease);
		}
	}
}

static void on_ended(void *data, struct scanout *scanout, const struct identity *holder,
	enum lease_end_reason reason) {
	struct bus_signals *signals = data;
	struct peer *peer;
	emit_ended(&signals->bus->system, scanout, reason);
	TAILQ_FOREACH (peer, &signals->agents->peers, link) {
		if (identity_acts_for(&peer->identity, holder)) {
			emit_ended(peer, scanout, reason);
			emit_removed(peer, scanout);
		}
	}
}

static void on_prepared(void *data) {
	struct bus_signals *signals = data;
	bus_take_name(signals->bus);
}

static void on_paused(void *data) {
	struct bus_signals *signals = data;
	struct peer *peer;
	bus_manager_emit_paused(&signals->bus->system);
	TAILQ_FOREACH (peer, &signals->agents->peers, link) {
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

int bus_signals_new(struct bus *bus, struct bus_agents *agents, struct bus_signals **ret) {
	struct manager *manager = bus->manager;
	struct bus_signals *signals = calloc(1, sizeof(*signals));
	if (!signals) {
		return -ENOMEM;
	}
	*signals = (struct bus_signals){.bus = bus, .agents = agents};
	int r = sd_event_add_defer(manager->host.event, &signals->announcer, announce, signals);
	if (r >= 0) {
		r = sd_event_source_set_enabled(signals->announcer, SD_EVENT_OFF);
	}
	if (r >= 0) {
		/* After the replies: nobody waits for a PropertiesChanged. */
		r = sd_event_source_set_priority(signals->announcer, SD_EVENT_PRIORITY_IDLE);
	}
	if (r < 0) {
		bus_signals_destroy(signals);
		return r;
	}
	manager->observer = &observer;
	manager->observer_data = signals;
	*ret = signals;
	return 0;
}

void bus_signals_destroy(struct bus_signals *signals) {
	if (!signals) {
		return;
	}
	if (signals->bus->manager->observer_data == signals) {
		signals->bus->manager->observer = NULL;
	}
	sd_event_source_disable_unref(signals->announcer);
	free(signals);
}
