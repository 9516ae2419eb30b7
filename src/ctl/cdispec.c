#include "ctl/cdispec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/rendernode.h"
#include "ctl/property.h"
#include "seat/seat_dir.h"

/* The newest that podman 4.3 (Debian 12) takes; later ones take it too. */
#define CDI_VERSION "0.5.0"
/* For the compositor's own sockets, whatever its user. */
#define RUNTIME SEAT_DIR_INSIDE "-runtime"
#define PRELOAD SEAT_DIR_INSIDE "-preload.so"

/* cJSON frees nothing of what could not be added, so every addition is checked by this. */
static bool append(cJSON *array, cJSON *item) {
	if (!item || !cJSON_AddItemToArray(array, item)) {
		cJSON_Delete(item);
		return false;
	}
	return true;
}

static bool append_env(cJSON *env, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool append_env(cJSON *env, const char *format, ...) {
	AUTO_FREE char *text = NULL;
	va_list args;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
	}
	va_end(args);
	return text && append(env, cJSON_CreateString(text));
}

static bool append_mount(cJSON *mounts, const char *type, const char *from, const char *to,
	const char *const options[], int n_options) {
	AUTO_JSON cJSON *mount = cJSON_CreateObject();
	if (!mount || !cJSON_AddStringToObject(mount, "hostPath", from) ||
		!cJSON_AddStringToObject(mount, "containerPath", to) ||
		(type && !cJSON_AddStringToObject(mount, "type", type))) {
		return false;
	}
	cJSON *list = cJSON_CreateStringArray(options, n_options);
	if (!list || !cJSON_AddItemToObject(mount, "options", list)) {
		cJSON_Delete(list);
		return false;
	}
	return append(mounts, TAKE_PTR(mount));
}

static bool append_bind(cJSON *mounts, const char *from, const char *to) {
	static const char *const options[] = {"bind", "ro", "nosuid", "nodev", "noexec"};
	return append_mount(mounts, NULL, from, to, options, 5);
}

#define MODE_OF_THE_VM (-1)

static bool append_node(cJSON *nodes, const char *path, const char *permissions, int mode) {
	AUTO_JSON cJSON *node = cJSON_CreateObject();
	return node && cJSON_AddStringToObject(node, "path", path) &&
	       cJSON_AddStringToObject(node, "permissions", permissions) &&
	       (mode == MODE_OF_THE_VM || cJSON_AddNumberToObject(node, "fileMode", mode)) &&
	       append(nodes, TAKE_PTR(node));
}

/* The GPU's other node, on which nothing can be shown. Not every card has one. One that cannot be
 * asked is taken for a usable one. */
static bool append_render_node(cJSON *nodes, const char *card) {
	char path[RENDERNODE_SIZE];
	return rendernode_find(card, path) < 0 || rendernode_renders(path) == 0 ||
	       append_node(nodes, path, "rw", MODE_OF_THE_VM);
}

/* `card` is the device of `id`, which is any of it or that of `scanout`. */
static bool fill_device(cJSON *edits, const char *id, const cJSON *scanout, const char *card,
	const struct seat_dir *dir) {
	char from[PATH_MAX + 128], to[128];
	cJSON *env = cJSON_AddArrayToObject(edits, "env");
	cJSON *nodes = cJSON_AddArrayToObject(edits, "deviceNodes");
	cJSON *mounts = cJSON_AddArrayToObject(edits, "mounts");
	if (!env || !nodes || !mounts) {
		return false;
	}
	if (scanout && (!append_env(env, "SCANOUT_ID=%s", id) ||
			       !append_env(env, "SCANOUT_INDEX=%u",
				       (unsigned)property_number(scanout, "index")))) {
		return false;
	}
	if (!append_env(env, "SCANOUT_DEVICE=%s", card) ||
		!append_env(env, "XDG_SESSION_ID=%s", dir->session) ||
		!append_env(env, "WLR_DRM_DEVICES=%s", card) ||
		!append_env(env, "KWIN_DRM_DEVICES=%s", card) ||
		/* to look at, and not to open */
		!append_node(nodes, card, "m", 0) || !append_render_node(nodes, card) ||
		!append_bind(mounts, dir->folder, SEAT_DIR_INSIDE)) {
		return false;
	}
	snprintf(from, sizeof(from), "%s/systemd/sessions/%s", dir->folder, dir->session);
	snprintf(to, sizeof(to), "/run/systemd/sessions/%s", dir->session);
	if (!append_bind(mounts, from, to)) {
		return false;
	}
	snprintf(from, sizeof(from), "%s/udev", dir->folder);
	return append_bind(mounts, from, "/run/udev");
}

/* A device with this name, whose seat is that of `id`. */
static bool append_device(cJSON *devices, const char *name, const char *id, const cJSON *scanout,
	const char *card, const char *root) {
	AUTO_JSON cJSON *device = cJSON_CreateObject();
	struct seat_dir dir;
	if (seat_dir_init(&dir, root, id) < 0) {
		return true; /* no name that can be part of a path */
	}
	if (!device || !cJSON_AddStringToObject(device, "name", name)) {
		return false;
	}
	cJSON *edits = cJSON_AddObjectToObject(device, "containerEdits");
	return edits && fill_device(edits, id, scanout, card, &dir) &&
	       append(devices, TAKE_PTR(device));
}

/* What is the same for all devices. */
static bool fill_common(cJSON *edits) {
	static const char *const variables[] = {
		"DBUS_SYSTEM_BUS_ADDRESS=unix:path=" SEAT_DIR_INSIDE "/" SEAT_DIR_LOGIN1,
		"SEATD_SOCK=" SEAT_DIR_INSIDE "/" SEAT_DIR_SEATD,
		"XDG_SEAT=" SEAT_DIR_SEAT,
		"XDG_SESSION_TYPE=wayland",
		"XDG_SESSION_CLASS=user",
		"XDG_RUNTIME_DIR=" RUNTIME,
		"WLR_LIBINPUT_NO_DEVICES=1",
	};
	static const char *const options[] = {"mode=1777", "nosuid", "nodev", "size=64m"};
	cJSON *env = cJSON_CreateStringArray(variables, sizeof(variables) / sizeof(variables[0]));
	if (!env || !cJSON_AddItemToObject(edits, "env", env)) {
		cJSON_Delete(env);
		return false;
	}
	cJSON *mounts = cJSON_AddArrayToObject(edits, "mounts");
	return mounts && append_mount(mounts, "tmpfs", "tmpfs", RUNTIME, options, 4);
}

/* For wlroots without a GPU: to be given in addition to a scanout. */
static bool append_software(cJSON *devices, const char *preload) {
	static const char *const variables[] = {
		"LD_PRELOAD=" PRELOAD,
		"SCANOUT_SPARE=" SEAT_DIR_INSIDE "/" SEAT_DIR_SPARE,
		"SCANOUT_RENDERER=pixman",
	};
	static const char *const options[] = {"bind", "ro", "nosuid", "nodev"};
	AUTO_JSON cJSON *device = cJSON_CreateObject();
	if (!device || !cJSON_AddStringToObject(device, "name", CDISPEC_SOFTWARE)) {
		return false;
	}
	cJSON *edits = cJSON_AddObjectToObject(device, "containerEdits");
	cJSON *env = edits ? cJSON_CreateStringArray(variables, 3) : NULL;
	if (!env || !cJSON_AddItemToObject(edits, "env", env)) {
		cJSON_Delete(env);
		return false;
	}
	cJSON *mounts = cJSON_AddArrayToObject(edits, "mounts");
	return mounts && append_mount(mounts, NULL, preload, PRELOAD, options, 4) &&
	       append(devices, TAKE_PTR(device));
}

/* To be given after a scanout, whose node it replaces: the last one counts. */
static bool append_open(cJSON *devices, const char *card) {
	AUTO_JSON cJSON *device = cJSON_CreateObject();
	char name[64];
	snprintf(name, sizeof(name), CDISPEC_OPEN "%s", strrchr(card, '/') + 1);
	if (!device || !cJSON_AddStringToObject(device, "name", name)) {
		return false;
	}
	cJSON *edits = cJSON_AddObjectToObject(device, "containerEdits");
	cJSON *nodes = edits ? cJSON_AddArrayToObject(edits, "deviceNodes") : NULL;
	/* For whichever user it is there. */
	return nodes && append_node(nodes, card, "rw", 0666) && append(devices, TAKE_PTR(device));
}

bool cdispec_offers(const cJSON *scanout) {
	const char *state = property_string(scanout, "state");
	return strcmp(state, "excluded") != 0 && strcmp(state, "absent") != 0 &&
	       strchr(property_string(scanout, "device"), '/');
}

/*
 * What there is for each card. A container is given its card's node when it is made, before anybody
 * knows which scanout will be free: so there is a device for any scanout of each card, and one for
 * no card in particular only where there is but one.
 */
static bool append_cards(cJSON *devices, const cJSON *scanouts, const char *root) {
	const char *card = "";
	char id[64];
	unsigned n_cards = 0;
	const cJSON *scanout;
	cJSON_ArrayForEach (scanout, scanouts) { /* those of a card stand together */
		const char *device = property_string(scanout, "device");
		if (!cdispec_offers(scanout) || strcmp(device, card) == 0) {
			continue;
		}
		card = device;
		n_cards++;
		snprintf(id, sizeof(id), SEAT_DIR_ANY "%s", strrchr(card, '/') + 1);
		if (!append_device(devices, id, id, NULL, card, root) ||
			!append_open(devices, card)) {
			return false;
		}
	}
	return n_cards != 1 || append_device(devices, CDISPEC_ANY, id, NULL, card, root);
}

cJSON *cdispec_create(const cJSON *scanouts, const char *root, const char *preload) {
	AUTO_JSON cJSON *spec = cJSON_CreateObject();
	if (!spec || !cJSON_AddStringToObject(spec, "cdiVersion", CDI_VERSION) ||
		!cJSON_AddStringToObject(spec, "kind", CDISPEC_KIND)) {
		return NULL;
	}
	cJSON *devices = cJSON_AddArrayToObject(spec, "devices");
	cJSON *edits = cJSON_AddObjectToObject(spec, "containerEdits");
	if (!devices || !edits || !fill_common(edits)) {
		return NULL;
	}
	const cJSON *scanout;
	cJSON_ArrayForEach (scanout, scanouts) {
		const char *id = property_string(scanout, "id");
		if (cdispec_offers(scanout) && !append_device(devices, id, id, scanout,
						       property_string(scanout, "device"), root)) {
			return NULL;
		}
	}
	if (!append_cards(devices, scanouts, root)) {
		return NULL;
	}
	if (cJSON_GetArraySize(devices) > 0 && preload && !append_software(devices, preload)) {
		return NULL;
	}
	return TAKE_PTR(spec);
}
