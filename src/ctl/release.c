/* scanoutctl release: takes a lease back, and only the one that was seen. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/options.h"
#include "ctl/property.h"
#include "ctl/report.h"
#include "scanout/dbus_names.h"

/* A scanout that a script saw earlier may be named with its generation: card0-Virtual-3#17 */
static char *split_generation(char *word) {
	char *hash = strchr(word, '#');
	if (!hash) {
		return NULL;
	}
	*hash = '\0';
	return hash + 1;
}

static int release(struct ctl *ctl, const char *id, const char *generation) {
	AUTO_FREE char *lease = NULL;
	if (asprintf(&lease, "%s#%s", id, generation) < 0) {
		lease = NULL;
		return report_no_memory(ctl);
	}
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call_method(ctl->bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, "ReleaseScanout", &error, NULL, "s", lease);
	return r < 0 ? report_call(ctl, &error, r) : CTL_OK;
}

static int print_released(struct ctl *ctl, const char *id) {
	if (!ctl->json) {
		printf("Released %s.\n", id);
		return CTL_OK;
	}
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	if (!object || !cJSON_AddStringToObject(object, "released", id)) {
		return report_no_memory(ctl);
	}
	AUTO_JSON_TEXT char *text = cJSON_PrintUnformatted(object);
	if (!text) {
		return report_no_memory(ctl);
	}
	puts(text);
	return CTL_OK;
}

int run_release(struct ctl *ctl, int argc, char *argv[]) {
	int code = options_parse(ctl, argc, argv, 1);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	const char *generation = split_generation(argv[optind]);
	AUTO_JSON cJSON *scanout = NULL;
	code = client_find(ctl, argv[optind], &scanout);
	if (code != CTL_OK) {
		return code;
	}
	const char *id = property_string(scanout, "id");
	uint64_t seen_number = property_number(scanout, "generation");
	if (!generation && seen_number == 0) {
		return report(ctl, CTL_REFUSED, "NoSuchScanout",
			"There is no lease on %s. There is nothing to release.", id);
	}
	// The list is a moment old: with its generation a next holder is safe.
	char seen[24];
	snprintf(seen, sizeof(seen), "%" PRIu64, seen_number);
	code = release(ctl, id, generation ? generation : seen);
	return code == CTL_OK ? print_released(ctl, id) : code;
}
