/* scanoutctl cdi: describes the scanouts to podman, docker and Kubernetes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cdispec.h"
#include "cleanup.h"
#include "client.h"
#include "json.h"
#include "options.h"
#include "preload.h"
#include "property.h"
#include "report.h"
#include "seat/place.h"

/* podman reads /etc/cdi and /var/run/cdi; what is written here is of this boot only. */
#define DEFAULT_OUTPUT "/run/cdi/scanoutd.json"

#define SYSTEMD "org.freedesktop.systemd1"

struct cdi {
	const char *output; // "-": standard output
	const char *seats;  // folder of the seats
	bool start;
};

static int parse(struct ctl *ctl, int argc, char *argv[], struct cdi *cdi) {
	enum {
		OUTPUT = OPTION_OWN,
		SEATS,
		START
	};
	static const struct option options[] = {{"output", required_argument, NULL, OUTPUT},
		{"seats", required_argument, NULL, SEATS}, {"start", no_argument, NULL, START},
		OPTIONS_COMMON, {0}};
	int option;
	optind = 0; // glibc: start again with this argv
	while ((option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		int code = CTL_OK;
		if (option == OUTPUT) {
			cdi->output = optarg;
		} else if (option == SEATS) {
			cdi->seats = optarg;
		} else if (option == START) {
			cdi->start = true;
		} else {
			code = options_common(ctl, option, argv);
		}
		if (code != CTL_OK || ctl->finished) {
			return code;
		}
	}
	if (argc > optind) {
		return report_usage(ctl, "'%s' is one argument too many.", argv[optind]);
	}
	if (!*cdi->output || cdi->seats[0] != '/') {
		return report_usage(
			ctl, "--output needs a file's path, --seats a folder's from the root.");
	}
	return CTL_OK;
}

static int report_write(struct ctl *ctl, const char *path, int r) {
	return report(ctl, CTL_REFUSED, "OutputFailed", "'%s' cannot be written (%s).%s", path,
		strerror(-r), r == -EACCES || r == -EPERM ? " Type: sudo scanoutctl cdi" : "");
}

/* All folders that lead to a file. */
static int make_parents(const char *path) {
	char parent[PATH_MAX];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (slash - path >= PATH_MAX) {
			return -ENAMETOOLONG;
		}
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (mkdir(parent, 0755) < 0 && errno != EEXIST) {
			return -errno;
		}
	}
	return 0;
}

/* An engine may read at any time, and must not find half of it. */
static int write_file(const char *path, const char *text) {
	AUTO_FREE char *draft = NULL;
	int r = make_parents(path);
	if (r < 0) {
		return r;
	}
	if (asprintf(&draft, "%s.XXXXXX", path) < 0) {
		draft = NULL;
		return -ENOMEM;
	}
	int fd = mkostemp(draft, O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	FILE *f = fdopen(fd, "w");
	if (!f) {
		r = -errno;
		close(fd);
	} else {
		bool good = fputs(text, f) >= 0 && fputc('\n', f) != EOF && fchmod(fd, 0644) == 0;
		good = fclose(f) == 0 && good;
		r = good && rename(draft, path) == 0 ? 0 : -errno;
	}
	if (r < 0) {
		unlink(draft);
	}
	return r;
}

static int write_seat(struct ctl *ctl, const struct cdi *cdi, const char *id, const char *card) {
	struct place place;
	struct stat st;
	char problem[PATH_MAX + 128];
	if (place_init(&place, cdi->seats, id) < 0) {
		return CTL_OK; /* nor is it in the specification */
	}
	snprintf(place.card, sizeof(place.card), "%s", card);
	if (stat(card, &st) < 0 || !S_ISCHR(st.st_mode)) {
		return report(ctl, CTL_REFUSED, "DeviceGone",
			"There is no card '%s' here, which %s is a scanout of. "
			"Type: scanoutctl doctor",
			card, id);
	}
	place.devnum = st.st_rdev;
	int r = place_write(&place, problem, sizeof(problem));
	if (r < 0) {
		return report(ctl, CTL_REFUSED, "OutputFailed", "%s.%s", problem,
			r == -EACCES || r == -EPERM ? " Type: sudo scanoutctl cdi" : "");
	}
	return CTL_OK;
}

static int start_seat(struct ctl *ctl, const char *id) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	char unit[128];
	if (place_is_any(id)) {
		snprintf(unit, sizeof(unit), "scanout-seat-any@%s.socket", id + strlen(PLACE_ANY));
	} else {
		snprintf(unit, sizeof(unit), "scanout-seat@%s.socket", id);
	}
	int r = sd_bus_call_method(ctl->bus, SYSTEMD, "/org/freedesktop/systemd1",
		SYSTEMD ".Manager", "StartUnit", &error, NULL, "ss", unit, "replace");
	if (r < 0) {
		return report(ctl, CTL_REFUSED, "NotStarted",
			"The seat's socket cannot be started: %s. Type: sudo systemctl start %s",
			error.message ? error.message : strerror(-r), unit);
	}
	return CTL_OK;
}

/* The seats by the devices that the specification names. */
static int prepare_seats(struct ctl *ctl, const struct cdi *cdi, const cJSON *devices,
	int (*prepare)(struct ctl *ctl, const struct cdi *cdi, const cJSON *device)) {
	const cJSON *device;
	cJSON_ArrayForEach (device, devices) {
		const char *name = property_string(device, "name");
		bool has_seat =
			strcmp(name, CDISPEC_SOFTWARE) != 0 && strcmp(name, CDISPEC_ANY) != 0;
		int code = has_seat ? prepare(ctl, cdi, device) : CTL_OK;
		if (code != CTL_OK) {
			return code;
		}
	}
	return CTL_OK;
}

static int write_one(struct ctl *ctl, const struct cdi *cdi, const cJSON *device) {
	const cJSON *edits = cJSON_GetObjectItemCaseSensitive(device, "containerEdits");
	const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(edits, "deviceNodes");
	return write_seat(ctl, cdi, property_string(device, "name"),
		property_string(cJSON_GetArrayItem(nodes, 0), "path"));
}

static int start_one(struct ctl *ctl, const struct cdi *cdi, const cJSON *device) {
	return start_seat(ctl, property_string(device, "name"));
}

static int print_done(struct ctl *ctl, const struct cdi *cdi, const cJSON *devices) {
	if (!ctl->json) {
		const cJSON *first = cJSON_GetArrayItem(devices, 0);
		printf("Wrote %s with %d devices.\n", cdi->output, cJSON_GetArraySize(devices));
		if (!cdi->start) {
			printf("Their seats are not started. Type: systemctl enable --now "
			       "scanout-cdi.service\n");
		}
		printf("Then: podman run --device " CDISPEC_KIND "=%s IMAGE COMMAND\n",
			property_string(first, "name"));
		return CTL_OK;
	}
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	cJSON *names = object ? cJSON_AddArrayToObject(object, "devices") : NULL;
	const cJSON *device;
	if (!names || !cJSON_AddStringToObject(object, "written", cdi->output)) {
		return report_no_memory(ctl);
	}
	cJSON_ArrayForEach (device, devices) {
		AUTO_FREE char *name = NULL;
		if (asprintf(&name, CDISPEC_KIND "=%s", property_string(device, "name")) < 0) {
			name = NULL;
			return report_no_memory(ctl);
		}
		cJSON_AddItemToArray(names, cJSON_CreateString(name));
	}
	return json_print(object) < 0 ? report_no_memory(ctl) : CTL_OK;
}

int run_cdi(struct ctl *ctl, int argc, char *argv[]) {
	struct cdi cdi = {.output = DEFAULT_OUTPUT, .seats = PLACE_ROOT};
	int code = parse(ctl, argc, argv, &cdi);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	AUTO_JSON cJSON *list = NULL;
	code = client_list(ctl, &list);
	if (code != CTL_OK) {
		return code;
	}
	AUTO_FREE char *preload = preload_find();
	AUTO_JSON cJSON *spec = cdispec_create(list, cdi.seats, preload);
	AUTO_JSON_TEXT char *text = spec ? cJSON_Print(spec) : NULL;
	if (!text) {
		return report_no_memory(ctl);
	}
	const cJSON *devices = cJSON_GetObjectItemCaseSensitive(spec, "devices");
	if (cJSON_GetArraySize(devices) == 0) {
		return report(ctl, CTL_REFUSED, "NoSuchScanout",
			"There is no scanout to describe. Type: scanoutctl doctor");
	}
	if (strcmp(cdi.output, "-") == 0) {
		puts(text);
		return CTL_OK;
	}
	/* What it points to comes first. */
	code = prepare_seats(ctl, &cdi, devices, write_one);
	if (code == CTL_OK && cdi.start) {
		code = prepare_seats(ctl, &cdi, devices, start_one);
	}
	if (code != CTL_OK) {
		return code;
	}
	int r = write_file(cdi.output, text);
	return r < 0 ? report_write(ctl, cdi.output, r) : print_done(ctl, &cdi, devices);
}
