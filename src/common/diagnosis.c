#include "common/diagnosis.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/table.h"

static const struct {
	const char *name;
	const char *shown;
	const char *color;
} verdicts[] = {
	[VERDICT_OK] = {"ok", "ok", "32"},
	[VERDICT_WARN] = {"warn", "warn", "33"},
	[VERDICT_FAIL] = {"fail", "FAIL", "1;31"},
};

int diagnosis_init(struct diagnosis *diagnosis) {
	*diagnosis = (struct diagnosis){.checks = cJSON_CreateArray()};
	return diagnosis->checks ? 0 : -ENOMEM;
}

void diagnosis_finish(struct diagnosis *diagnosis) {
	cJSON_Delete(diagnosis->checks);
	diagnosis->checks = NULL;
}

void diagnosis_add(struct diagnosis *diagnosis, enum verdict verdict, const char *check,
	const char *advice, const char *format, ...) {
	AUTO_FREE char *message = NULL;
	va_list args;
	va_start(args, format);
	if (vasprintf(&message, format, args) < 0) {
		message = NULL;
	}
	va_end(args);

	diagnosis->failed |= verdict == VERDICT_FAIL;
	AUTO_JSON cJSON *item = cJSON_CreateObject();
	if (!message || !item || !cJSON_AddStringToObject(item, "check", check) ||
		!cJSON_AddStringToObject(item, "result", verdicts[verdict].name) ||
		!cJSON_AddStringToObject(item, "message", message) ||
		!cJSON_AddStringToObject(item, "type", advice ? advice : "")) {
		diagnosis->incomplete = true;
		return;
	}
	cJSON_AddItemToArray(diagnosis->checks, TAKE_PTR(item));
}

static int print_json(const struct diagnosis *diagnosis) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	if (!object || !cJSON_AddBoolToObject(object, "ok", !diagnosis->failed) ||
		!cJSON_AddItemReferenceToObject(object, "checks", diagnosis->checks)) {
		return -ENOMEM;
	}
	return json_print(object);
}

static const char *text_of(const cJSON *check, const char *key) {
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(check, key));
}

static int print_table(const struct diagnosis *diagnosis, bool color) {
	AUTO_TABLE struct table table = TABLE_INIT(3);
	const cJSON *check;
	int r = 0;
	cJSON_ArrayForEach (check, diagnosis->checks) {
		const char *result = text_of(check, "result");
		const char *advice = text_of(check, "type");
		size_t i = VERDICT_OK;
		while (strcmp(verdicts[i].name, result) != 0) {
			i++;
		}
		r = table_add(&table, verdicts[i].shown, verdicts[i].color);
		r = r < 0 ? r : table_add(&table, text_of(check, "check"), NULL);
		r = r < 0 ? r : table_add(&table, text_of(check, "message"), NULL);
		if (r >= 0 && *advice) {
			AUTO_FREE char *line = NULL;
			r = asprintf(&line, "Type: %s", advice) < 0 ? -ENOMEM : 0;
			r = r < 0 ? r : table_add(&table, " ", NULL);
			r = r < 0 ? r : table_add(&table, " ", NULL);
			r = r < 0 ? r : table_add(&table, line, "1");
		}
		if (r < 0) {
			return r;
		}
	}
	table_print(&table, color);
	return 0;
}

int diagnosis_print(const struct diagnosis *diagnosis, bool json, bool color) {
	if (diagnosis->incomplete) {
		return -ENOMEM;
	}
	return json ? print_json(diagnosis) : print_table(diagnosis, color);
}
