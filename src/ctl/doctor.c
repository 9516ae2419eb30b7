/*
 * scanoutctl doctor: follows the chain from the kernel's card to a lease, and says at each link
 * what is wrong and what to type.
 */
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "client.h"
#include "diagnosis.h"
#include "kmscard.h"
#include "names.h"
#include "options.h"
#include "property.h"
#include "report.h"
#include "scanout.h"

#define AUTO_DIAGNOSIS CLEANUP(diagnosis_finish)
#define MAX_CARDS 16
/* Activation may have to start scanoutd first; who does not answer then is ill. */
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

static void check_master(struct diagnosis *d, const struct kmscard *card, bool serving) {
	struct kmscard_opener other;
	char name[32];
	char advice[64];
	snprintf(name, sizeof(name), "card%u master", card->number);
	int r = kmscard_find_foreign_master(card, &other);
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
	// Without debugfs nobody says who the master is. Lessees have the card open as well.
	r = serving ? 0 : kmscard_find_foreign_opener(card, &other);
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

static void check_card(struct diagnosis *d, const struct kmscard *card, bool serving) {
	char name[32];
	const char *driver = card->driver[0] ? card->driver : "unknown driver";
	snprintf(name, sizeof(name), "card%u", card->number);
	if (card->outputs == 0) {
		diagnosis_add(
			d, VERDICT_OK, name, NULL, "%s, no outputs: nothing to lease", driver);
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
	check_master(d, card, serving);
}

static void check_cards(struct diagnosis *d, bool serving) {
	struct kmscard cards[MAX_CARDS];
	unsigned int outputs = 0;
	int n = kmscard_scan(cards, MAX_CARDS);
	for (int i = 0; i < n; i++) {
		check_card(d, &cards[i], serving);
		outputs += cards[i].outputs;
	}
	if (outputs == 0) {
		diagnosis_add(d, VERDICT_FAIL, "cards", "modprobe virtio-gpu; ls /dev/dri",
			"The kernel has no card with outputs. Give the VM one: "
			"-device virtio-gpu-pci,max_outputs=16");
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

static bool check_name(struct diagnosis *d, sd_bus *bus) {
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
	diagnosis_add(d, VERDICT_FAIL, "name", "systemctl enable --now scanoutd",
		"Nobody owns " SCANOUT_BUS_NAME ", and D-Bus does not know how to start scanoutd.");
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

static bool check_daemon(struct diagnosis *d, sd_bus *bus) {
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

static bool check_scanouts(struct diagnosis *d, sd_bus *bus) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_JSON cJSON *list = NULL;
	int r = call(bus, MANAGER_METHOD(SCANOUT_MANAGER_INTERFACE, "ListScanouts"), NULL, NULL,
		&error, &reply);
	if (r < 0) {
		add_call_failure(d, "scanouts", &error, r);
		return false;
	}
	r = scanout_read_list(reply, &list);
	if (r < 0) {
		diagnosis_add(d, VERDICT_FAIL, "scanouts", "systemctl restart scanoutd",
			"The list of scanouts cannot be understood (%s).", strerror(-r));
		return false;
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
		return false;
	}
	diagnosis_add(d, VERDICT_OK, "scanouts", NULL, "%d, of which %d leased", total, leased);
	return true;
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
	bool serving = false;
	if (check_bus(&d, ctl)) {
		if (check_name(&d, ctl->bus) && check_daemon(&d, ctl->bus)) {
			serving = check_scanouts(&d, ctl->bus);
		}
		check_service(&d, ctl->bus);
	}
	check_cards(&d, serving);
	if (diagnosis_print(&d, ctl->json, ctl->color) < 0) {
		return report_no_memory(ctl);
	}
	return d.failed ? CTL_REFUSED : CTL_OK;
}
