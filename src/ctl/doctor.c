/*
 * scanoutctl doctor: follows the chain from the kernel's card to a lease, and says at each link
 * what is wrong and what to type.
 */
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/diagnosis.h"
#include "common/kmsdriver.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/guestsocket.h"
#include "ctl/hostmemory.h"
#include "ctl/kmscard.h"
#include "ctl/options.h"
#include "ctl/place.h"
#include "ctl/property.h"
#include "ctl/report.h"
#include "ctl/scanout.h"
#include "scanout/dbus_names.h"

#define AUTO_DIAGNOSIS CLEANUP(diagnosis_finish)
#define MAX_CARDS 16
/* Activation may have to start scanoutd first; after that it must answer. */
#define CALL_TIMEOUT_USEC (UINT64_C(10) * 1000 * 1000)

#define JOURNAL "journalctl -b -u scanoutd"

/* A call without arguments, or with one or two strings. */
static int call(sd_bus *bus, const char *const target[4], const char *first, const char *second,
	sd_bus_error *error, sd_bus_message **reply) {
	AUTO_MESSAGE sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(bus, &m, target[0], target[1], target[2], target[3]);
	if (r >= 0 && first) {
		r = sd_bus_message_append_basic(m, 's', first);
	}
	if (r >= 0 && second) {
		r = sd_bus_message_append_basic(m, 's', second);
	}
	return r < 0 ? r : sd_bus_call(bus, m, CALL_TIMEOUT_USEC, error, reply);
}

#define BUS_METHOD(name)        \
	((const char *const[]){ \
		"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", (name)})
#define MANAGER_METHOD(interface, name) \
	((const char *const[]){SCANOUT_BUS_NAME, SCANOUT_BUS_PATH, (interface), (name)})
#define SYSTEMD_METHOD(path, interface, name) \
	((const char *const[]){"org.freedesktop.systemd1", (path), (interface), (name)})

static void check_master(struct diagnosis *d, const struct kmscard *card, bool has_it) {
	struct kmscard_opener other;
	char name[32];
	char advice[64];
	snprintf(name, sizeof(name), "card%u master", card->number);
	// A card has one master. Linux 6.12's debugfs names its lessees as masters too.
	int r = has_it ? 0 : kmscard_find_foreign_master(card, &other);
	if (r > 0) {
		snprintf(advice, sizeof(advice), "systemctl status %d", (int)other.pid);
		diagnosis_add(d, VERDICT_FAIL, name, advice,
			"'%s' (pid %d) is the DRM master of card%u, so scanoutd cannot lease its "
			"outputs. Stop its service, then restart scanoutd.",
			other.name, (int)other.pid, card->number);
		return;
	}
	if (r == 0) {
		diagnosis_add(d, VERDICT_OK, name, NULL, "no process in scanoutd's way");
		return;
	}
	// Without debugfs the master is unknown.
	r = kmscard_find_foreign_opener(card, &other);
	if (r > 0) {
		snprintf(advice, sizeof(advice), "systemctl status %d", (int)other.pid);
		diagnosis_add(d, VERDICT_WARN, name, advice,
			"'%s' (pid %d) has card%u open and may be its DRM master. If scanoutd does "
			"not start, stop it.",
			other.name, (int)other.pid, card->number);
	} else if (geteuid() != 0) {
		diagnosis_add(d, VERDICT_OK, name, NULL,
			"nothing seen; only root sees the processes of others");
	} else {
		diagnosis_add(d, VERDICT_OK, name, NULL, "no process in scanoutd's way");
	}
}

/* Whether scanoutd has it, by its list. */
static bool is_had(const struct kmscard *card, const cJSON *scanouts) {
	char device[64];
	const cJSON *scanout;
	snprintf(device, sizeof(device), "/dev/dri/card%u", card->number);
	cJSON_ArrayForEach (scanout, scanouts) {
		if (strcmp(property_string(scanout, "device"), device) == 0) {
			return true;
		}
	}
	return false;
}

/* Whether scanoutd has it or would take it by itself. */
static bool is_ours(const struct kmscard *card, const cJSON *scanouts) {
	return is_had(card, scanouts) || strcmp(card->driver, KMSDRIVER_VIRTIO) == 0;
}

static void check_card(struct diagnosis *d, const struct kmscard *card, const cJSON *scanouts) {
	char name[32];
	const char *driver = card->driver[0] ? card->driver : "unknown driver";
	snprintf(name, sizeof(name), "card%u", card->number);
	if (card->outputs == 0) {
		diagnosis_add(
			d, VERDICT_OK, name, NULL, "%s, no outputs: nothing to lease", driver);
		return;
	}
	if (!is_ours(card, scanouts)) {
		diagnosis_add(d, VERDICT_OK, name, NULL,
			"%s, %u outputs: left alone, unless Devices= of scanoutd.conf names it",
			driver, card->outputs);
		return;
	}
	if (!card->has_node) {
		diagnosis_add(d, VERDICT_FAIL, name, "udevadm trigger -s drm",
			"The kernel has this card (%s) but /dev/dri/card%u does not exist.", driver,
			card->number);
		return;
	}
	if (card->connected == 0) {
		diagnosis_add(d, VERDICT_WARN, name, "systemctl restart scanoutd",
			"%s, none of %u outputs is connected. scanoutd connects them at its start, "
			"unless ForceConnect=no is set.",
			driver, card->outputs);
	} else {
		diagnosis_add(d, VERDICT_OK, name, NULL, "%s, %u outputs, %u connected", driver,
			card->outputs, card->connected);
	}
	check_master(d, card, is_had(card, scanouts));
}

/* Newer drivers do not wait for ever: Linux 7.2 gives up with ETIMEDOUT. */
static bool check_undriven(struct diagnosis *d) {
	char name[64], advice[160];
	if (!kmscard_find_undriven(name, sizeof(name))) {
		return false;
	}
	snprintf(advice, sizeof(advice),
		"modprobe virtio-gpu; echo %s > /sys/bus/virtio/drivers/virtio_gpu/bind", name);
	diagnosis_add(d, VERDICT_FAIL, name, advice,
		"The VM has a virtio-gpu, but no driver drives it. If 'journalctl -k' "
		"has 'probe with driver virtio_gpu failed with error -110', the host "
		"has not reported its outputs within 5 s: it may be busy, or paused.");
	return true;
}

static void check_cards(struct diagnosis *d, const cJSON *scanouts) {
	struct kmscard cards[MAX_CARDS];
	unsigned int outputs = 0;
	int n = kmscard_scan(cards, MAX_CARDS);
	for (int i = 0; i < n; i++) {
		check_card(d, &cards[i], scanouts);
		outputs += is_ours(&cards[i], scanouts) ? cards[i].outputs : 0;
	}
	if (!check_undriven(d) && outputs == 0) {
		diagnosis_add(d, VERDICT_FAIL, "cards", "modprobe virtio-gpu; ls /dev/dri",
			"The kernel has no virtio-gpu with outputs. Give the VM one: -vga none -device "
			"virtio-gpu-pci,max_outputs=16,max_hostmem=1G");
	}
}

static bool check_bus(struct diagnosis *d, struct ctl *ctl) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	int r = client_open(ctl);
	if (r >= 0) {
		r = call(ctl->bus, BUS_METHOD("GetId"), NULL, NULL, &error, &reply);
	}
	if (r < 0) {
		AUTO_FREE char *advice = client_open_advice(ctl, r);
		diagnosis_add(d, VERDICT_FAIL, "bus", NULL, "%s", advice ? advice : strerror(-r));
		return false;
	}
	diagnosis_add(d, VERDICT_OK, "bus", NULL, "the system bus answers");
	return true;
}

/* The service as systemd sees it. Not every bus has a systemd: that alone is nothing bad. */
static void check_service(struct diagnosis *d, sd_bus *bus) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *unit = NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_JSON cJSON *properties = NULL;
	const char *path;
	int r = call(bus,
		SYSTEMD_METHOD("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
			"LoadUnit"),
		"scanoutd.service", NULL, &error, &unit);
	r = r < 0 ? r : sd_bus_message_read(unit, "o", &path);
	if (r >= 0) {
		r = call(bus, SYSTEMD_METHOD(path, "org.freedesktop.DBus.Properties", "GetAll"), "",
			NULL, &error, &reply);
	}
	r = r < 0 ? r : property_read(reply, NULL, &properties);
	if (r < 0) {
		diagnosis_add(d, VERDICT_WARN, "service", NULL,
			"systemd does not answer on this bus; is scanoutd started another way?");
		return;
	}
	const char *active = property_string(properties, "active_state");
	const char *file = property_string(properties, "unit_file_state");
	if (strcmp(property_string(properties, "load_state"), "loaded") != 0) {
		diagnosis_add(d, VERDICT_FAIL, "service", "make install && systemctl daemon-reload",
			"systemd knows no usable scanoutd.service (%s).",
			property_string(properties, "load_state"));
	} else if (strcmp(active, "failed") == 0) {
		int status = (int)property_number(properties, "exec_main_status");
		diagnosis_add(d, VERDICT_FAIL, "service", JOURNAL,
			"scanoutd.service failed (%s, exit status %d%s).",
			property_string(properties, "result"), status,
			status == 78 ? ": its configuration is wrong" : "");
	} else if (strcmp(active, "active") != 0) {
		diagnosis_add(d, VERDICT_WARN, "service", "systemctl enable --now scanoutd",
			"scanoutd.service is %s (%s).", active, file);
	} else {
		diagnosis_add(d, VERDICT_OK, "service", NULL, "scanoutd.service is %s (%s)", active,
			property_string(properties, "sub_state"));
	}
}

static bool is_activatable(sd_bus *bus) {
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	const char *name;
	if (call(bus, BUS_METHOD("ListActivatableNames"), NULL, NULL, NULL, &reply) < 0 ||
		sd_bus_message_enter_container(reply, 'a', "s") < 0) {
		return false;
	}
	while (sd_bus_message_read_basic(reply, 's', &name) > 0) {
		if (strcmp(name, SCANOUT_BUS_NAME) == 0) {
			return true;
		}
	}
	return false;
}

static bool check_name(struct diagnosis *d, const struct ctl *ctl) {
	sd_bus *bus = ctl->bus;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	int r = call(bus, BUS_METHOD("GetNameOwner"), SCANOUT_BUS_NAME, NULL, NULL, &reply);
	if (r >= 0) {
		diagnosis_add(d, VERDICT_OK, "name", NULL, SCANOUT_BUS_NAME " is owned");
		return true;
	}
	if (is_activatable(bus)) {
		diagnosis_add(d, VERDICT_OK, "name", NULL,
			SCANOUT_BUS_NAME " is not owned; the first call starts scanoutd");
		return true;
	}
	const char *elsewhere = ctl->address ? NULL : place_advise();
	diagnosis_add(d, VERDICT_FAIL, "name", elsewhere ? NULL : "systemctl enable --now scanoutd",
		"Nobody owns " SCANOUT_BUS_NAME ", and D-Bus does not know how to start "
		"scanoutd.%s%s",
		elsewhere ? " " : "", elsewhere ? elsewhere : "");
	return false;
}

/* The answers that every command needs; this is also where the bus policy speaks. */
static void add_call_failure(
	struct diagnosis *d, const char *check, const sd_bus_error *error, int r) {
	struct failure failure = report_classify(error);
	diagnosis_add(d, VERDICT_FAIL, check, failure.advice ? NULL : JOURNAL, "%s: %s (%s)",
		failure.name, failure.advice ? failure.advice : "scanoutd refuses.",
		error->message ? error->message : strerror(-r));
}

/* What scanoutd itself has to say. */
static void check_warnings(struct diagnosis *d, const cJSON *properties, bool *host_is_full) {
	const cJSON *warning;
	cJSON_ArrayForEach (warning, cJSON_GetObjectItemCaseSensitive(properties, "warnings")) {
		const char *text = cJSON_GetStringValue(warning);
		if (text && hostmemory_is_meant(text)) {
			*host_is_full = true; // told in its own line
		} else if (text) {
			diagnosis_add(d, VERDICT_WARN, "settings",
				"editor /etc/scanoutd/scanoutd.conf; systemctl reload scanoutd",
				"%s.", text);
		}
	}
}

static bool check_daemon(struct diagnosis *d, sd_bus *bus, bool *host_is_full) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_JSON cJSON *properties = NULL;
	int r = call(bus, MANAGER_METHOD("org.freedesktop.DBus.Properties", "GetAll"),
		SCANOUT_MANAGER_INTERFACE, NULL, &error, &reply);
	if (r < 0) {
		add_call_failure(d, "daemon", &error, r);
		return false;
	}
	r = property_read(reply, NULL, &properties);
	const char *version = property_string(properties, "version");
	if (r < 0 || !*version) {
		diagnosis_add(d, VERDICT_FAIL, "daemon", "systemctl restart scanoutd",
			"The owner of the bus name does not answer as scanoutd does.");
		return false;
	}
	bool same = strcmp(version, SCANOUTD_VERSION) == 0;
	diagnosis_add(d, same ? VERDICT_OK : VERDICT_WARN, "daemon",
		same ? NULL : "systemctl restart scanoutd",
		"scanoutd %s, %llu of %llu scanouts free%s%s", version,
		(unsigned long long)property_number(properties, "free"),
		(unsigned long long)property_number(properties, "total"),
		same ? "" : "; this is scanoutctl ", same ? "" : SCANOUTD_VERSION);
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(properties, "paused"))) {
		diagnosis_add(d, VERDICT_WARN, "seat", "loginctl seat-status",
			"Paused: another session has the seat. Leases are kept, but cannot show "
			"anything, and new ones wait. Switch back to scanoutd's VT.");
	}
	check_warnings(d, properties, host_is_full);
	return true;
}

static void check_scanout(struct diagnosis *d, const cJSON *scanout) {
	const char *id = property_string(scanout, "id");
	const char *state = property_string(scanout, "state");
	const char *reason = property_string(scanout, "reason");
	if (strcmp(state, "stuck") == 0) {
		diagnosis_add(
			d, VERDICT_FAIL, id, JOURNAL, "stuck%s%s", *reason ? ": " : "", reason);
	} else if (strcmp(state, "draining") == 0 && *reason &&
		   property_number(scanout, "linger") == 0) {
		diagnosis_add(d, VERDICT_WARN, id, NULL, "still draining: %s", reason);
	} else if (!*id || !*state) {
		diagnosis_add(d, VERDICT_FAIL, "scanouts", "systemctl restart scanoutd",
			"scanoutd lists a scanout without id or state.");
	}
}

/* The list of scanouts if there are some. */
static cJSON *check_scanouts(struct diagnosis *d, sd_bus *bus) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_JSON cJSON *list = NULL;
	int r = call(bus, MANAGER_METHOD(SCANOUT_MANAGER_INTERFACE, "ListScanouts"), NULL, NULL,
		&error, &reply);
	if (r < 0) {
		add_call_failure(d, "scanouts", &error, r);
		return NULL;
	}
	r = scanout_read_list(reply, &list);
	if (r < 0) {
		diagnosis_add(d, VERDICT_FAIL, "scanouts", "systemctl restart scanoutd",
			"The list of scanouts cannot be understood (%s).", strerror(-r));
		return NULL;
	}
	int leased = 0;
	const cJSON *scanout;
	cJSON_ArrayForEach (scanout, list) {
		leased += strcmp(property_string(scanout, "state"), "leased") == 0;
		check_scanout(d, scanout);
	}
	int total = cJSON_GetArraySize(list);
	if (total == 0) {
		diagnosis_add(d, VERDICT_FAIL, "scanouts", JOURNAL,
			"scanoutd has no scanouts: it could not use any card.");
		return NULL;
	}
	diagnosis_add(d, VERDICT_OK, "scanouts", NULL, "%d, of which %d leased", total, leased);
	return TAKE_PTR(list);
}

int run_doctor(struct ctl *ctl, int argc, char *argv[]) {
	int code = options_parse(ctl, argc, argv, 0);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	AUTO_DIAGNOSIS struct diagnosis d = {0};
	if (diagnosis_init(&d) < 0) {
		return report_no_memory(ctl);
	}
	AUTO_JSON cJSON *scanouts = NULL;
	bool host_is_full = false;
	if (check_bus(&d, ctl)) {
		if (check_name(&d, ctl) && check_daemon(&d, ctl->bus, &host_is_full)) {
			scanouts = check_scanouts(&d, ctl->bus);
		}
		check_service(&d, ctl->bus);
		guestsocket_check(&d);
	}
	check_cards(&d, scanouts);
	if (scanouts) {
		hostmemory_check(&d, scanouts, host_is_full);
	}
	if (diagnosis_print(&d, ctl->json, ctl->color) < 0) {
		return report_no_memory(ctl);
	}
	return d.failed ? CTL_REFUSED : CTL_OK;
}
