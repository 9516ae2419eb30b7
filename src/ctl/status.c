/* scanoutctl status: one scanout in full. */
#include <stdio.h>
#include <string.h>
#include <time.h>

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

#define KEY_WIDTH 11

static void print_line(const char *key, const char *value) {
	if (!value || !*value || strcmp(value, "-") == 0) {
		return;
	}
	printf("%s:%*s", key, strlen(key) < KEY_WIDTH ? (int)(KEY_WIDTH - strlen(key)) : 1, "");
	table_print_clean(value);
	putchar('\n');
}

static void print_since(uint64_t usec) {
	time_t seconds = (time_t)(usec / 1000000);
	struct tm local;
	char date[64];
	char ago[32];
	char text[128];
	if (usec == 0 || !localtime_r(&seconds, &local) ||
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %z", &local) == 0) {
		return;
	}
	duration_since(usec, ago, sizeof(ago));
	snprintf(text, sizeof(text), "%s (%s)", date, ago);
	print_line("since", text);
}

/* How long the last picture stays. */
static void print_linger(uint64_t usec) {
	char text[32];
	snprintf(text, sizeof(text), "%g s", (double)usec / 1000000);
	print_line("linger", usec ? text : "-");
}

/* Whatever has no form of its own, also keys of a newer daemon: as JSON writes it. */
static void print_other(const cJSON *item) {
	AUTO_JSON_TEXT char *text = cJSON_IsString(item) ? NULL : cJSON_PrintUnformatted(item);
	print_line(item->string, text ? text : cJSON_GetStringValue(item));
}

static int print_holder(const cJSON *holder) {
	AUTO_FREE char *text = scanout_holder_text(holder);
	if (!text) {
		return -ENOMEM;
	}
	print_line("holder", text);
	const char *container = property_string(holder, "container");
	if (*container) {
		print_line("container", container);
		print_line("unit", property_string(holder, "unit"));
	}
	return 0;
}

static int print_text(struct ctl *ctl, const cJSON *scanout) {
	AUTO_FREE char *mode = scanout_mode_text(scanout);
	if (!mode) {
		return report_no_memory(ctl);
	}
	const cJSON *item;
	cJSON_ArrayForEach (item, scanout) {
		if (strcmp(item->string, "holder") == 0) {
			if (print_holder(item) < 0) {
				return report_no_memory(ctl);
			}
		} else if (strcmp(item->string, "since") == 0) {
			print_since(property_number(scanout, "since"));
		} else if (strcmp(item->string, "linger") == 0) {
			print_linger(property_number(scanout, "linger"));
		} else if (strcmp(item->string, "width") == 0) {
			print_line("mode", mode);
		} else if (strcmp(item->string, "height") != 0 &&
			   strcmp(item->string, "refresh") != 0) {
			print_other(item);
		}
	}
	return CTL_OK;
}

int run_status(struct ctl *ctl, int argc, char *argv[]) {
	int code = options_parse(ctl, argc, argv, 1);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	AUTO_JSON cJSON *scanout = NULL;
	code = client_find(ctl, argv[optind], &scanout);
	if (code != CTL_OK) {
		return code;
	}
	if (!ctl->json) {
		return print_text(ctl, scanout);
	}
	return json_print(scanout) < 0 ? report_no_memory(ctl) : CTL_OK;
}
