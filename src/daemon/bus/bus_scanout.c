#include "daemon/bus/bus_scanout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/drain/linger.h"
#include "scanout/dbus_names.h"

int bus_scanout_path(const struct scanout *scanout, char **ret) {
	return sd_bus_path_encode(SCANOUT_BUS_PATH, scanout->id, ret);
}

static int find_scanout(sd_bus *connection, const char *path, const char *interface, void *data,
	void **ret_found, sd_bus_error *error) {
	struct peer *peer = data;
	AUTO_FREE char *id = NULL;
	int r = sd_bus_path_decode(path, SCANOUT_BUS_PATH, &id);
	if (r <= 0) {
		return r;
	}
	struct scanout *scanout = manager_find_scanout(peer->manager, id);
	if (!scanout || !peer_sees(peer, scanout)) {
		return 0;
	}
	*ret_found = scanout;
	return 1;
}

static int enumerate(sd_bus *connection, const char *prefix, void *data, char ***ret_nodes,
	sd_bus_error *error) {
	struct peer *peer = data;
	struct manager *manager = peer->manager;
	struct card *card;
	struct scanout *scanout;
	unsigned total, unused, n = 0;
	int r = 0;

	manager_count(manager, &total, &unused);
	char **nodes = calloc(total + 1, sizeof(*nodes));
	if (!nodes) {
		return -ENOMEM;
	}
	MANAGER_FOREACH_SCANOUT (manager, card, scanout) {
		if (r >= 0 && peer_sees(peer, scanout)) {
			r = bus_scanout_path(scanout, &nodes[n]);
			n += r >= 0;
		}
	}
	if (r < 0) {
		while (n > 0) {
			free(nodes[--n]);
		}
		free(nodes);
		return r;
	}
	*ret_nodes = nodes;
	return 0;
}

static int append_holder(sd_bus_message *m, const struct scanout *scanout) {
	const struct identity *holder = scanout->lease ? &scanout->lease->holder : NULL;
	if (!holder) {
		return sd_bus_message_append(m, "a{sv}", 0);
	}
	return sd_bus_message_append(m, "a{sv}", 5, "uid", "u", (uint32_t)holder->uid, "pid", "u",
		(uint32_t)holder->pid, "container", "s", holder->container, "engine", "s",
		holder->engine, "unit", "s", holder->unit);
}

/* The value of one property, without the variant around it. */
static int append_property(sd_bus_message *m, const char *property, const struct scanout *s) {
	const struct lease *lease = s->lease;
	if (strcmp(property, "Id") == 0) {
		return sd_bus_message_append(m, "s", s->id);
	} else if (strcmp(property, "Device") == 0) {
		return sd_bus_message_append(m, "s", s->card->device);
	} else if (strcmp(property, "Index") == 0) {
		return sd_bus_message_append(m, "u", (uint32_t)s->index);
	} else if (strcmp(property, "State") == 0) {
		return sd_bus_message_append(m, "s", scanout_state_name(scanout_state(s)));
	} else if (strcmp(property, "Reason") == 0) {
		return sd_bus_message_append(m, "s", s->reason);
	} else if (strcmp(property, "Label") == 0) {
		return sd_bus_message_append(m, "s", lease ? lease->label : "");
	} else if (strcmp(property, "Holder") == 0) {
		return append_holder(m, s);
	} else if (strcmp(property, "Since") == 0) {
		return sd_bus_message_append(m, "t", s->since);
	} else if (strcmp(property, "Lessee") == 0) {
		return sd_bus_message_append(m, "u", lease ? lease->lessee : 0);
	} else if (strcmp(property, "Generation") == 0) {
		return sd_bus_message_append(m, "t", s->generation);
	} else if (strcmp(property, "Linger") == 0) {
		return sd_bus_message_append(m, "t", linger_usec(s));
	} else if (strcmp(property, "Width") == 0) {
		return sd_bus_message_append(m, "u", s->mode.width);
	} else if (strcmp(property, "Height") == 0) {
		return sd_bus_message_append(m, "u", s->mode.height);
	} else if (strcmp(property, "Refresh") == 0) {
		return sd_bus_message_append(m, "u", s->mode.refresh);
	} else if (strcmp(property, "PreferredWidth") == 0) {
		return sd_bus_message_append(m, "u", s->preferred.width);
	} else if (strcmp(property, "PreferredHeight") == 0) {
		return sd_bus_message_append(m, "u", s->preferred.height);
	}
	return -EINVAL;
}

static int get_property(sd_bus *connection, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error) {
	return append_property(reply, property, data);
}

static const struct {
	const char *name, *type;
} properties[] = {
	{"Id", "s"},
	{"Device", "s"},
	{"Index", "u"},
	{"State", "s"},
	{"Reason", "s"},
	{"Label", "s"},
	{"Holder", "a{sv}"},
	{"Since", "t"},
	{"Lessee", "u"},
	{"Generation", "t"},
	{"Linger", "t"},
	{"Width", "u"},
	{"Height", "u"},
	{"Refresh", "u"},
	{"PreferredWidth", "u"},
	{"PreferredHeight", "u"},
};

int bus_append_planes(sd_bus_message *m, const char *key, const struct card_objects *objects) {
	int r = sd_bus_message_open_container(m, 'e', "sv");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_append(m, "s", key);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_open_container(m, 'v', "au");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_append_array(
		m, 'u', objects->planes, objects->n_planes * sizeof(objects->planes[0]));
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_objects(sd_bus_message *m, const struct card_objects *objects) {
	int r = sd_bus_message_append(
		m, "{sv}{sv}", "Connector", "u", objects->connector, "Crtc", "u", objects->crtc);
	return r < 0 ? r : bus_append_planes(m, "Planes", objects);
}

static int append_entry(sd_bus_message *m, size_t i, const struct scanout *scanout) {
	int r = sd_bus_message_open_container(m, 'e', "sv");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_append(m, "s", properties[i].name);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_open_container(m, 'v', properties[i].type);
	if (r < 0) {
		return r;
	}
	r = append_property(m, properties[i].name, scanout);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int bus_scanout_append(sd_bus_message *m, const struct scanout *scanout) {
	int r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		r = append_entry(m, i, scanout);
		if (r < 0) {
			return r;
		}
	}
	if (scanout->lease) {
		r = append_objects(m, &scanout->objects);
		if (r < 0) {
			return r;
		}
	}
	return sd_bus_message_close_container(m);
}

void bus_scanout_emit_changed(struct peer *peer, const struct scanout *scanout) {
	AUTO_FREE char *path = NULL;
	if (bus_scanout_path(scanout, &path) >= 0) {
		sd_bus_emit_properties_changed(peer->connection, path, SCANOUT_SCANOUT_INTERFACE,
			"State", "Reason", "Label", "Holder", "Since", "Lessee", "Generation",
			"Linger", "Width", "Height", "Refresh", "PreferredWidth", "PreferredHeight",
			NULL);
	}
}

#define CONSTANT SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable scanout_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "s", get_property, 0, CONSTANT),
	SD_BUS_PROPERTY("Device", "s", get_property, 0, CONSTANT),
	SD_BUS_PROPERTY("Index", "u", get_property, 0, CONSTANT),
	SD_BUS_PROPERTY("State", "s", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Reason", "s", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Label", "s", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Holder", "a{sv}", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Since", "t", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Lessee", "u", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Generation", "t", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Linger", "t", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Width", "u", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Height", "u", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("Refresh", "u", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("PreferredWidth", "u", get_property, 0, CHANGES),
	SD_BUS_PROPERTY("PreferredHeight", "u", get_property, 0, CHANGES),
	SD_BUS_VTABLE_END,
};

int bus_scanout_register(struct peer *peer) {
	int r = sd_bus_add_fallback_vtable(peer->connection, NULL, SCANOUT_BUS_PATH,
		SCANOUT_SCANOUT_INTERFACE, scanout_vtable, find_scanout, peer);
	if (r < 0) {
		return r;
	}
	return sd_bus_add_node_enumerator(
		peer->connection, NULL, SCANOUT_BUS_PATH, enumerate, peer);
}
