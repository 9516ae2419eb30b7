#include "wire/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

enum kind {
	TEXT,
	NUMBER,
	FLAG,
};

/* A member of a message, and where it is in the struct. */
struct member {
	const char *name;
	enum kind kind;
	size_t offset;
	unsigned limit; // the size of a TEXT with its NUL, the greatest NUMBER
	bool (*is_right)(const char *text);
};

static bool is_name(const char *text) {
	return text[strspn(text, LETTERS)] == '\0';
}

static bool is_id(const char *text) {
	return *text && is_name(text);
}

static bool is_address(const char *text) {
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789./")] == '\0';
}

static bool is_reason(const char *text) {
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

static bool is_printable(const char *text) {
	while (*text >= ' ' && *text <= '~') {
		text++;
	}
	return *text == '\0';
}

bool message_label_is_right(const char *label) {
	return is_name(label) && strlen(label) < sizeof(((struct tenant *)0)->label) &&
	       strcmp(label, ".") != 0 && strcmp(label, "..") != 0;
}

#define AT(field) offsetof(struct message, field)
#define ROOM(field) sizeof(((struct message *)0)->field)

static const struct member hello[] = {
	{"version", NUMBER, AT(hello.version), 1000000, NULL},
	{"program", TEXT, AT(hello.program), ROOM(hello.program), is_printable},
	{0},
};
static const struct member grant[] = {
	{"scanout", TEXT, AT(grant.scanout), ROOM(grant.scanout), is_id},
	{"device", TEXT, AT(grant.device), ROOM(grant.device), is_address},
	{"head", NUMBER, AT(grant.head), MESSAGE_MAX_HEAD, NULL},
	{"label", TEXT, AT(grant.label), ROOM(grant.label), message_label_is_right},
	{"container", TEXT, AT(grant.container), ROOM(grant.container), is_printable},
	{"width", NUMBER, AT(grant.width), MESSAGE_MAX_SIDE, NULL},
	{"height", NUMBER, AT(grant.height), MESSAGE_MAX_SIDE, NULL},
	{0},
};
static const struct member end[] = {
	{"scanout", TEXT, AT(end.scanout), ROOM(end.scanout), is_id},
	{"reason", TEXT, AT(end.reason), ROOM(end.reason), is_reason},
	{0},
};
static const struct member ready[] = {
	{"daemon", FLAG, AT(ready.daemon), 0, NULL},
	{0},
};

static const struct {
	const char *name;
	const struct member *members;
} types[] = {
	[MESSAGE_HELLO] = {"hello", hello},
	[MESSAGE_GRANT] = {"grant", grant},
	[MESSAGE_END] = {"end", end},
	[MESSAGE_READY] = {"ready", ready},
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

static bool read_text(const cJSON *item, const struct member *member, char *ret) {
	const char *text = cJSON_GetStringValue(item);
	if (!text || strlen(text) >= member->limit || !member->is_right(text)) {
		return false;
	}
	strcpy(ret, text);
	return true;
}

static bool read_number(const cJSON *item, const struct member *member, unsigned *ret) {
	double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
	if (!(value >= 0 && value <= member->limit) || value != (unsigned)value) {
		return false;
	}
	*ret = (unsigned)value;
	return true;
}

static bool read_member(const cJSON *body, const struct member *member, struct message *message) {
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, member->name);
	void *target = (char *)message + member->offset;
	switch (member->kind) {
	case TEXT:
		return read_text(item, member, target);
	case NUMBER:
		return read_number(item, member, target);
	case FLAG:
		*(bool *)target = cJSON_IsTrue(item);
		return cJSON_IsBool(item);
	}
	return false;
}

/* A newer writer may add members to a message, and messages. */
static int read_body(
	const cJSON *body, enum message_type type, struct message *ret, const char **ret_wrong) {
	struct message message = {.type = type};
	for (const struct member *member = types[type].members; member->name; member++) {
		if (!read_member(body, member, &message)) {
			*ret_wrong = member->name;
			return -EBADMSG;
		}
	}
	*ret = message;
	return 0;
}

int message_read(const char *line, struct message *ret, const char **ret_wrong) {
	AUTO_JSON cJSON *json = cJSON_ParseWithOpts(line, NULL, true);
	if (!cJSON_IsObject(json)) {
		*ret_wrong = "JSON";
		return -EBADMSG;
	}
	for (size_t i = 0; i < N_TYPES; i++) {
		const cJSON *body = types[i].name
					    ? cJSON_GetObjectItemCaseSensitive(json, types[i].name)
					    : NULL;
		if (body) {
			return read_body(body, i, ret, ret_wrong);
		}
	}
	*ret = (struct message){.type = MESSAGE_UNKNOWN};
	return 0;
}

static int add_member(cJSON *body, const struct member *member, const struct message *message) {
	const void *source = (const char *)message + member->offset;
	const cJSON *added;
	unsigned number;
	switch (member->kind) {
	case TEXT:
		if (!member->is_right(source)) {
			return -EINVAL;
		}
		added = cJSON_AddStringToObject(body, member->name, source);
		break;
	case NUMBER:
		number = *(const unsigned *)source;
		if (number > member->limit) {
			return -EINVAL;
		}
		added = cJSON_AddNumberToObject(body, member->name, number);
		break;
	default:
		added = cJSON_AddBoolToObject(body, member->name, *(const bool *)source);
		break;
	}
	return added ? 0 : -ENOMEM;
}

int message_print(const struct message *message, char *buffer, size_t size) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	cJSON *body = cJSON_AddObjectToObject(json, types[message->type].name);
	if (!body) {
		return -ENOMEM;
	}
	for (const struct member *member = types[message->type].members; member->name; member++) {
		int r = add_member(body, member, message);
		if (r < 0) {
			return r;
		}
	}
	AUTO_JSON_TEXT char *text = cJSON_PrintUnformatted(json);
	if (!text) {
		return -ENOMEM;
	}
	int n = snprintf(buffer, size, "%s\n", text);
	return n < 0 || (size_t)n >= size ? -ENOBUFS : n;
}
