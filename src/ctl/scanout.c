#include "ctl/scanout.h"

#include <ctype.h>
#include <string.h>

#include "common/cleanup.h"
#include "ctl/property.h"
#include "ctl/report.h"

static const struct property holder_properties[] = {
	{"uid", "u", NULL},
	{"pid", "u", NULL},
	{"container", "s", NULL},
	{"engine", "s", NULL},
	{"unit", "s", NULL},
	{0},
};

static const struct property scanout_properties[] = {
	{"id", "s", NULL},
	{"device", "s", NULL},
	{"index", "u", NULL},
	{"state", "s", NULL},
	{"reason", "s", NULL},
	{"label", "s", NULL},
	{"holder", "a{sv}", holder_properties},
	{"since", "t", NULL},
	{"lessee", "u", NULL},
	{"generation", "t", NULL},
	{"linger", "t", NULL},
	{"width", "u", NULL},
	{"height", "u", NULL},
	{"refresh", "u", NULL},
	{"preferred_width", "u", NULL},
	{"preferred_height", "u", NULL},
	{"connector", "u", NULL},
	{"crtc", "u", NULL},
	{"planes", "au", NULL},
	{0},
};

/* uid 0 and pid 0 are nobody: no process has pid 0. */
static bool holder_is_empty(const cJSON *holder) {
	return property_number(holder, "uid") == 0 && property_number(holder, "pid") == 0 &&
	       !*property_string(holder, "container") && !*property_string(holder, "unit");
}

int scanout_read(sd_bus_message *m, cJSON **ret) {
	AUTO_JSON cJSON *scanout = NULL;
	int r = property_read(m, scanout_properties, &scanout);
	if (r < 0) {
		return r;
	}
	if (holder_is_empty(cJSON_GetObjectItemCaseSensitive(scanout, "holder"))) {
		cJSON *nobody = cJSON_CreateNull();
		if (!nobody) {
			return -ENOMEM;
		}
		cJSON_ReplaceItemInObjectCaseSensitive(scanout, "holder", nobody);
	}
	*ret = TAKE_PTR(scanout);
	return 0;
}

int scanout_read_list(sd_bus_message *m, cJSON **ret) {
	AUTO_JSON cJSON *list = cJSON_CreateArray();
	if (!list) {
		return -ENOMEM;
	}
	int r = sd_bus_message_enter_container(m, 'a', "a{sv}");
	if (r < 0) {
		return r;
	}
	while ((r = sd_bus_message_at_end(m, false)) == 0) {
		cJSON *scanout = NULL;
		r = scanout_read(m, &scanout);
		if (r < 0) {
			return r;
		}
		cJSON_AddItemToArray(list, scanout);
	}
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(list);
	return 0;
}

static bool names_index(const char *word, const cJSON *scanout) {
	char *end;
	if (!isdigit((unsigned char)word[0])) {
		return false;
	}
	errno = 0;
	unsigned long long index = strtoull(word, &end, 10);
	return errno == 0 && !*end && index == property_number(scanout, "index");
}

static int report_ambiguous(struct ctl *ctl, const cJSON *matches, const char *word) {
	char ids[512] = "";
	size_t used = 0;
	const cJSON *match;
	cJSON_ArrayForEach (match, matches) {
		int n = snprintf(ids + used, sizeof(ids) - used, "%s%s", used ? ", " : "",
			property_string(match, "id"));
		if (n < 0 || (size_t)n >= sizeof(ids) - used) {
			break;
		}
		used += (size_t)n;
	}
	return report(ctl, CTL_REFUSED, "AmbiguousScanout",
		"'%s' names more than one scanout. Name one by its id: %s", word, ids);
}

int scanout_find(struct ctl *ctl, cJSON *list, const char *word, cJSON **ret) {
	AUTO_JSON cJSON *matches = cJSON_CreateArray();
	if (!matches) {
		return report_no_memory(ctl);
	}
	cJSON *scanout;
	cJSON_ArrayForEach (scanout, list) {
		if (strcmp(property_string(scanout, "id"), word) == 0) {
			*ret = scanout;
			return CTL_OK;
		}
		if (!*word || (strcmp(property_string(scanout, "label"), word) != 0 &&
				      !names_index(word, scanout))) {
			continue;
		}
		if (!cJSON_AddItemReferenceToArray(matches, scanout)) {
			return report_no_memory(ctl);
		}
		*ret = scanout;
	}
	switch (cJSON_GetArraySize(matches)) {
	case 0:
		return report(ctl, CTL_REFUSED, "NoSuchScanout",
			"No scanout has the id, label or index '%s'. Type: scanoutctl list", word);
	case 1:
		return CTL_OK;
	default:
		return report_ambiguous(ctl, matches, word);
	}
}

/* Container ids are 64 hexadecimal digits, of which engines show 12; names are kept whole. */
static int shown_length(const char *container) {
	size_t length = strlen(container);
	bool id = length >= 32 && strspn(container, "0123456789abcdef") == length;
	return id ? 12 : (int)length;
}

char *scanout_holder_text(const cJSON *holder) {
	const char *container = property_string(holder, "container");
	const char *engine = property_string(holder, "engine");
	const char *unit = property_string(holder, "unit");
	unsigned long long uid = property_number(holder, "uid");
	unsigned long long pid = property_number(holder, "pid");
	char *text = NULL;
	int n;
	if (!cJSON_IsObject(holder) || holder_is_empty(holder)) {
		return strdup("-");
	}
	if (*container) {
		n = asprintf(&text, "%s%s%.*s uid %llu pid %llu", engine, *engine ? ":" : "",
			shown_length(container), container, uid, pid);
	} else {
		n = asprintf(&text, "%s%suid %llu pid %llu", unit, *unit ? " " : "", uid, pid);
	}
	return n < 0 ? NULL : text;
}

char *scanout_mode_text(const cJSON *scanout) {
	unsigned long long width = property_number(scanout, "width");
	unsigned long long height = property_number(scanout, "height");
	unsigned long long refresh = property_number(scanout, "refresh");
	if (width == 0 || height == 0) {
		return strdup("-");
	}
	char rate[32] = "";
	if (refresh % 1000 != 0) {
		snprintf(rate, sizeof(rate), "@%.2f", (double)refresh / 1000);
	} else if (refresh > 0) {
		snprintf(rate, sizeof(rate), "@%llu", refresh / 1000);
	}
	char *text = NULL;
	return asprintf(&text, "%llux%llu%s", width, height, rate) < 0 ? NULL : text;
}

const char *scanout_state_color(const char *state) {
	static const struct {
		const char *state;
		const char *color;
	} colors[] = {
		{"leased", "32"},
		{"draining", "33"},
		{"stuck", "1;31"},
		{"excluded", "2"},
		{"absent", "2"},
	};
	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
		if (strcmp(colors[i].state, state) == 0) {
			return colors[i].color;
		}
	}
	return NULL;
}
