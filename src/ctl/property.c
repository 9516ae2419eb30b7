#include "ctl/property.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"

/* 64-bit numbers are kept as text: a double would round generations and times. */
static cJSON *raw_number(uint64_t magnitude, bool negative) {
	char text[24];
	snprintf(text, sizeof(text), "%s%" PRIu64, negative ? "-" : "", magnitude);
	return cJSON_CreateRaw(text);
}

static int read_basic(sd_bus_message *m, char type, cJSON **ret) {
	union {
		uint8_t y;
		int b;
		int16_t n;
		uint16_t q;
		int32_t i;
		uint32_t u;
		int64_t x;
		uint64_t t;
		double d;
		const char *s;
		int h;
	} value = {0};
	int r = sd_bus_message_read_basic(m, type, &value);
	if (r < 0) {
		return r;
	}
	switch (type) {
	case 'b':
		*ret = cJSON_CreateBool(value.b);
		break;
	case 'y':
		*ret = cJSON_CreateNumber(value.y);
		break;
	case 'n':
		*ret = cJSON_CreateNumber(value.n);
		break;
	case 'q':
		*ret = cJSON_CreateNumber(value.q);
		break;
	case 'i':
		*ret = cJSON_CreateNumber(value.i);
		break;
	case 'u':
		*ret = cJSON_CreateNumber(value.u);
		break;
	case 'x':
		*ret = raw_number(
			value.x < 0 ? -(uint64_t)value.x : (uint64_t)value.x, value.x < 0);
		break;
	case 't':
		*ret = raw_number(value.t, false);
		break;
	case 'd':
		*ret = cJSON_CreateNumber(value.d);
		break;
	case 's':
	case 'o':
	case 'g':
		*ret = cJSON_CreateString(value.s);
		break;
	default: // 'h': a number that means nothing outside this process
		*ret = cJSON_CreateNull();
		break;
	}
	return *ret ? 0 : -ENOMEM;
}

/* Arrays of anything but dictionary entries, and structs. */
static int read_elements(sd_bus_message *m, cJSON **ret) {
	AUTO_JSON cJSON *array = cJSON_CreateArray();
	if (!array) {
		return -ENOMEM;
	}
	int r;
	while ((r = sd_bus_message_at_end(m, false)) == 0) {
		cJSON *item = NULL;
		r = property_read_value(m, &item);
		if (r < 0) {
			return r;
		}
		cJSON_AddItemToArray(array, item);
	}
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(array);
	return 0;
}

/* Dictionaries whose values are no variants, or whose keys are no strings. */
static int read_entries(sd_bus_message *m, cJSON **ret) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	if (!object) {
		return -ENOMEM;
	}
	int r;
	while ((r = sd_bus_message_at_end(m, false)) == 0) {
		AUTO_JSON cJSON *key = NULL;
		cJSON *item = NULL;
		r = sd_bus_message_enter_container(m, 'e', NULL);
		if (r < 0) {
			return r;
		}
		r = property_read_value(m, &key);
		if (r < 0) {
			return r;
		}
		r = property_read_value(m, &item);
		if (r < 0) {
			return r;
		}
		AUTO_JSON_TEXT char *text =
			cJSON_IsString(key) ? NULL : cJSON_PrintUnformatted(key);
		cJSON_AddItemToObject(object, text ? text : cJSON_GetStringValue(key), item);
		r = sd_bus_message_exit_container(m);
		if (r < 0) {
			return r;
		}
	}
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(object);
	return 0;
}

int property_read_value(sd_bus_message *m, cJSON **ret) {
	char type;
	const char *contents;
	int r = sd_bus_message_peek_type(m, &type, &contents);
	if (r <= 0) {
		return r < 0 ? r : -EBADMSG;
	}
	if (type != 'a' && type != 'v' && type != 'r') {
		return read_basic(m, type, ret);
	}
	if (type == 'a' && strcmp(contents, "{sv}") == 0) {
		return property_read(m, NULL, ret);
	}
	bool dictionary = type == 'a' && contents[0] == '{';
	r = sd_bus_message_enter_container(m, type, contents);
	if (r < 0) {
		return r;
	}
	AUTO_JSON cJSON *value = NULL;
	if (type == 'v') {
		r = property_read_value(m, &value);
	} else {
		r = dictionary ? read_entries(m, &value) : read_elements(m, &value);
	}
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_exit_container(m);
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(value);
	return 0;
}

/* PixelClock, pixelClock → pixel_clock */
static char *snake_case(const char *name) {
	char *out = malloc(2 * strlen(name) + 1);
	if (!out) {
		return NULL;
	}
	size_t n = 0;
	for (size_t i = 0; name[i]; i++) {
		unsigned char c = (unsigned char)name[i];
		if (i > 0 && isupper(c) && !isupper((unsigned char)name[i - 1]) &&
			name[i - 1] != '_') {
			out[n++] = '_';
		}
		out[n++] = (char)tolower(c);
	}
	out[n] = '\0';
	return out;
}

static const struct property *find_known(const struct property *known, const char *name) {
	for (; known && known->name; known++) {
		if (strcmp(known->name, name) == 0) {
			return known;
		}
	}
	return NULL;
}

static cJSON *create_defaults(const struct property *known) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	for (; object && known && known->name; known++) {
		cJSON *item;
		if (known->fields) {
			item = create_defaults(known->fields);
		} else if (known->type[0] == 's') {
			item = cJSON_CreateString("");
		} else if (known->type[0] == 'a') {
			item = cJSON_CreateArray();
		} else {
			item = cJSON_CreateNumber(0);
		}
		if (!item || !cJSON_AddItemToObject(object, known->name, item)) {
			cJSON_Delete(item);
			return NULL;
		}
	}
	return TAKE_PTR(object);
}

static int read_entry(sd_bus_message *m, const struct property *known, cJSON *object) {
	const char *key;
	const char *contents;
	int r = sd_bus_message_read_basic(m, 's', &key);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_peek_type(m, NULL, &contents);
	if (r < 0) {
		return r;
	}
	AUTO_FREE char *name = snake_case(key);
	if (!name) {
		return -ENOMEM;
	}
	const struct property *property = find_known(known, name);
	if (property && strcmp(property->type, contents) != 0) {
		return sd_bus_message_skip(m, "v");
	}
	cJSON *item = NULL;
	if (property && property->fields) {
		r = sd_bus_message_enter_container(m, 'v', contents);
		if (r < 0) {
			return r;
		}
		r = property_read(m, property->fields, &item);
		if (r < 0) {
			return r;
		}
		r = sd_bus_message_exit_container(m);
	} else {
		r = property_read_value(m, &item);
	}
	if (r < 0) {
		cJSON_Delete(item);
		return r;
	}
	if (cJSON_GetObjectItemCaseSensitive(object, name)) {
		cJSON_ReplaceItemInObjectCaseSensitive(object, name, item);
	} else {
		cJSON_AddItemToObject(object, name, item);
	}
	return 0;
}

int property_read(sd_bus_message *m, const struct property *known, cJSON **ret) {
	AUTO_JSON cJSON *object = create_defaults(known);
	if (!object) {
		return -ENOMEM;
	}
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r < 0) {
		return r;
	}
	if (r == 0) {
		return -EBADMSG;
	}
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_entry(m, known, object);
		if (r < 0) {
			return r;
		}
		r = sd_bus_message_exit_container(m);
		if (r < 0) {
			return r;
		}
	}
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_exit_container(m);
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(object);
	return 0;
}

const char *property_string(const cJSON *object, const char *name) {
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	return cJSON_IsString(item) ? item->valuestring : "";
}

uint64_t property_number(const cJSON *object, const char *name) {
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	if (cJSON_IsRaw(item)) {
		return item->valuestring[0] == '-' ? 0 : strtoull(item->valuestring, NULL, 10);
	}
	return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble : 0;
}
