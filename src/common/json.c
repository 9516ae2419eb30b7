#include "common/json.h"

#include <errno.h>
#include <stdio.h>

#include "common/cleanup.h"

int json_print(const cJSON *json) {
	AUTO_JSON_TEXT char *text = cJSON_Print(json);
	if (!text) {
		return -ENOMEM;
	}
	puts(text);
	return 0;
}
