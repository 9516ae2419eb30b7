#include "ctl/seats.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "ctl/cdispec.h"
#include "ctl/property.h"
#include "ctl/report.h"
#include "ctl/units.h"
#include "seat/seat_dir.h"

#define ID_SIZE 128

/* The device node that leads to its card. */
static const char *card_of(const cJSON *device) {
	const cJSON *edits = cJSON_GetObjectItemCaseSensitive(device, "containerEdits");
	const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(edits, "deviceNodes");
	return property_string(cJSON_GetArrayItem(nodes, 0), "path");
}

/* The seat of a device, "" if it has none. `any` is another name for that of the only card. */
static void name_seat(const cJSON *device, char ret[ID_SIZE]) {
	const char *name = property_string(device, "name");
	const char *slash = strrchr(card_of(device), '/');
	if (strcmp(name, CDISPEC_ANY) == 0) {
		snprintf(ret, ID_SIZE, SEAT_DIR_ANY "%.64s", slash ? slash + 1 : "");
	} else {
		bool none = strcmp(name, CDISPEC_SOFTWARE) == 0 ||
			    strncmp(name, CDISPEC_OPEN, strlen(CDISPEC_OPEN)) == 0;
		snprintf(ret, ID_SIZE, "%s", none ? "" : name);
	}
}

static void report_unwritten(
	struct ctl *ctl, const struct seat_dir *dir, const char *problem, int r) {
	const char *sudo = r == -EACCES || r == -EPERM ? " Type: sudo scanoutctl cdi" : "";
	if (r == -ENOTEMPTY || r == -EISDIR || r == -ENOTDIR || r == -EEXIST) {
		report(ctl, CTL_REFUSED, "OutputFailed",
			"%s: something else is in its place. Type: rm -r %s; systemctl restart "
			"scanout-cdi",
			problem, dir->folder);
	} else {
		report(ctl, CTL_REFUSED, "OutputFailed", "%s.%s", problem, sudo);
	}
}

static bool write_seat(struct ctl *ctl, const char *root, const char *id, const char *card) {
	struct seat_dir dir;
	struct stat st;
	char problem[PATH_MAX + 128];
	if (seat_dir_init(&dir, root, id) < 0) {
		return true; /* nor is it in the specification */
	}
	snprintf(dir.card, sizeof(dir.card), "%s", card);
	if (stat(card, &st) < 0 || !S_ISCHR(st.st_mode)) {
		report(ctl, CTL_REFUSED, "DeviceGone",
			"There is no card '%s' here, to which %s belongs. Type: scanoutctl "
			"doctor",
			card, id);
		return false;
	}
	dir.devnum = st.st_rdev;
	int r = seat_dir_write(&dir, problem, sizeof(problem));
	if (r < 0) {
		report_unwritten(ctl, &dir, problem, r);
	}
	return r >= 0;
}

static void name_unit(struct unit *unit, const char *id) {
	if (seat_dir_is_any(id)) {
		snprintf(unit->name, sizeof(unit->name), "scanout-seat-any@%s.socket",
			id + strlen(SEAT_DIR_ANY));
	} else {
		snprintf(unit->name, sizeof(unit->name), "scanout-seat@%s.socket", id);
	}
}

struct seat {
	char id[ID_SIZE];
	bool bad;
};

struct seats {
	struct seat *seats;
	struct unit *units; // of the same seats
	size_t n;
};

static void seats_finish(struct seats *seats) {
	free(seats->seats);
	free(seats->units);
}

static void write_all(
	struct ctl *ctl, struct seats *seats, const char *root, const cJSON *devices) {
	const cJSON *device;
	cJSON_ArrayForEach (device, devices) {
		struct seat *seat = &seats->seats[seats->n];
		name_seat(device, seat->id);
		if (strcmp(seat->id, property_string(device, "name")) == 0) {
			seat->bad = !write_seat(ctl, root, seat->id, card_of(device));
			seats->n++;
		}
	}
}

static void start_all(struct ctl *ctl, struct seats *seats) {
	for (size_t i = 0; i < seats->n; i++) {
		name_unit(&seats->units[i], seats->seats[i].id);
		seats->units[i].ended = seats->seats[i].bad;
	}
	units_start(ctl->bus, seats->units, seats->n);
	for (size_t i = 0; i < seats->n; i++) {
		const struct unit *unit = &seats->units[i];
		if (unit->problem[0]) {
			report(ctl, CTL_REFUSED, "NotStarted",
				"The seat's socket cannot be started: %s. Type: systemctl status %s",
				unit->problem, unit->name);
			seats->seats[i].bad = true;
		}
	}
}

static bool is_good(const struct seats *seats, const char *id) {
	for (size_t i = 0; i < seats->n; i++) {
		if (strcmp(seats->seats[i].id, id) == 0) {
			return !seats->seats[i].bad;
		}
	}
	return false;
}

/* Leaves the devices whose seats are good, and those that need none beside them. */
static void drop_bad(const struct seats *seats, cJSON *devices) {
	bool any_good = false;
	char id[ID_SIZE];
	for (size_t i = 0; i < seats->n; i++) {
		any_good |= !seats->seats[i].bad;
	}
	for (int i = cJSON_GetArraySize(devices) - 1; i >= 0; i--) {
		name_seat(cJSON_GetArrayItem(devices, i), id);
		if (id[0] ? !is_good(seats, id) : !any_good) {
			cJSON_DeleteItemFromArray(devices, i);
		}
	}
}

int seats_prepare(struct ctl *ctl, const char *root, bool start, cJSON *devices) {
	size_t n = (size_t)cJSON_GetArraySize(devices);
	CLEANUP(seats_finish)
	struct seats seats = {
		.seats = calloc(n, sizeof(*seats.seats)),
		.units = calloc(n, sizeof(*seats.units)),
	};
	int n_bad = 0;
	if (!seats.seats || !seats.units) {
		return -ENOMEM;
	}
	write_all(ctl, &seats, root, devices);
	if (start) {
		start_all(ctl, &seats);
	}
	for (size_t i = 0; i < seats.n; i++) {
		n_bad += seats.seats[i].bad;
	}
	drop_bad(&seats, devices);
	return n_bad;
}
