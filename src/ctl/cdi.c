/* scanoutctl cdi: describes the scanouts to podman, docker and Kubernetes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/preload.h"
#include "ctl/cdispec.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/duration.h"
#include "ctl/options.h"
#include "ctl/property.h"
#include "ctl/report.h"
#include "ctl/seats.h"
#include "ctl/textfile.h"
#include "seat/seat_dir.h"

/* podman reads /etc/cdi and /var/run/cdi; what is written here is of this boot only. */
#define DEFAULT_OUTPUT "/run/cdi/scanoutd.json"

struct cdi {
	const char *output; // "-": standard output
	const char *seats;  // folder of the seats
	uint64_t wait_usec; // for a scanout to be there
	bool start;
};

static int parse_wait(struct ctl *ctl, struct cdi *cdi) {
	return duration_parse(optarg, &cdi->wait_usec) < 0
		       ? report_usage(ctl,
				 "--wait is a time such as 30s or 1min, or seconds, not '%s'.",
				 optarg)
		       : CTL_OK;
}

static int parse(struct ctl *ctl, int argc, char *argv[], struct cdi *cdi) {
	enum {
		OUTPUT = OPTION_OWN,
		SEATS,
		START,
		WAIT
	};
	static const struct option options[] = {{"output", required_argument, NULL, OUTPUT},
		{"seats", required_argument, NULL, SEATS}, {"start", no_argument, NULL, START},
		{"wait", required_argument, NULL, WAIT}, OPTIONS_COMMON, {0}};
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
		} else if (option == WAIT) {
			code = parse_wait(ctl, cdi);
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

/* Whether there is something to describe. */
static bool is_offered(const cJSON *scanouts) {
	const cJSON *scanout;
	cJSON_ArrayForEach (scanout, scanouts) {
		if (cdispec_offers(scanout)) {
			return true;
		}
	}
	return false;
}

int run_cdi(struct ctl *ctl, int argc, char *argv[]) {
	struct cdi cdi = {.output = DEFAULT_OUTPUT, .seats = SEAT_DIR_ROOT};
	int code = parse(ctl, argc, argv, &cdi);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	AUTO_JSON cJSON *list = NULL;
	code = client_wait(ctl, cdi.wait_usec, is_offered, &list); // a card may come late
	if (code != CTL_OK) {
		return code;
	}
	AUTO_FREE char *preload = preload_find();
	AUTO_JSON cJSON *spec = cdispec_create(list, cdi.seats, preload);
	if (!spec) {
		return report_no_memory(ctl);
	}
	cJSON *devices = cJSON_GetObjectItemCaseSensitive(spec, "devices");
	if (cJSON_GetArraySize(devices) == 0) {
		return report(ctl, CTL_REFUSED, "NoSuchScanout",
			"There is no scanout to describe. Type: scanoutctl doctor");
	}
	bool printed = strcmp(cdi.output, "-") == 0;
	/* What it points to comes first; a device whose seat is bad is not described. */
	int n_bad = printed ? 0 : seats_prepare(ctl, cdi.seats, cdi.start, devices);
	if (n_bad < 0 || cJSON_GetArraySize(devices) == 0) {
		return n_bad < 0 ? report_no_memory(ctl) : CTL_REFUSED;
	}
	AUTO_JSON_TEXT char *text = cJSON_Print(spec);
	if (!text) {
		return report_no_memory(ctl);
	}
	if (printed) {
		puts(text);
		return CTL_OK;
	}
	int r = textfile_write(cdi.output, text);
	code = r < 0 ? report_write(ctl, cdi.output, r) : print_done(ctl, &cdi, devices);
	return code == CTL_OK && n_bad > 0 ? CTL_REFUSED : code;
}
