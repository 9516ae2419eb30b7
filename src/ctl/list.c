/* scanoutctl list: every scanout, one a row. */
#include <stdio.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/table.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/duration.h"
#include "ctl/options.h"
#include "ctl/property.h"
#include "ctl/report.h"
#include "ctl/scanout.h"

static int add_header(struct table *table) {
	static const char *const names[] = {
		"SCANOUT", "INDEX", "STATE", "LABEL", "HOLDER", "MODE", "SINCE"};
	int r = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && r == 0; i++) {
		r = table_add(table, names[i], "1");
	}
	return r;
}

static int add_row(struct table *table, const cJSON *scanout) {
	const char *state = property_string(scanout, "state");
	AUTO_FREE char *holder =
		scanout_holder_text(cJSON_GetObjectItemCaseSensitive(scanout, "holder"));
	AUTO_FREE char *mode = scanout_mode_text(scanout);
	char index[24];
	char since[32];
	if (!holder || !mode) {
		return -ENOMEM;
	}
	snprintf(index, sizeof(index), "%llu",
		(unsigned long long)property_number(scanout, "index"));
	duration_since(property_number(scanout, "since"), since, sizeof(since));

	const char *cells[] = {property_string(scanout, "id"), index, state,
		property_string(scanout, "label"), holder, mode, since};
	int r = 0;
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]) && r == 0; i++) {
		r = table_add(table, cells[i], i == 2 ? scanout_state_color(state) : NULL);
	}
	return r;
}

static int print_table(struct ctl *ctl, const cJSON *list) {
	AUTO_TABLE struct table table = TABLE_INIT(7);
	if (add_header(&table) < 0) {
		return report_no_memory(ctl);
	}
	const cJSON *scanout;
	cJSON_ArrayForEach (scanout, list) {
		if (add_row(&table, scanout) < 0) {
			return report_no_memory(ctl);
		}
	}
	table_print(&table, ctl->color);
	if (client_is_paused(ctl)) {
		fprintf(stderr, "scanoutctl: Paused: another session has the seat. Leases are "
				"kept; new ones wait.\n");
	}
	if (cJSON_GetArraySize(list) == 0) {
		fprintf(stderr, "scanoutctl: No scanouts: no card has outputs. "
				"Type: scanoutctl doctor\n");
	}
	return CTL_OK;
}

static int print_json(struct ctl *ctl, cJSON *list) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	if (!object || !cJSON_AddItemReferenceToObject(object, "scanouts", list) ||
		!cJSON_AddBoolToObject(object, "paused", client_is_paused(ctl))) {
		return report_no_memory(ctl);
	}
	return json_print(object) < 0 ? report_no_memory(ctl) : CTL_OK;
}

int run_list(struct ctl *ctl, int argc, char *argv[]) {
	int code = options_parse(ctl, argc, argv, 0);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	AUTO_JSON cJSON *list = NULL;
	code = client_list(ctl, &list);
	if (code != CTL_OK) {
		return code;
	}
	return ctl->json ? print_json(ctl, list) : print_table(ctl, list);
}
