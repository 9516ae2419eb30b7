#include "state_json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "lease.h"
#include "manager.h"
#include "state.h"

#define VERSION 1

/* Numbers of 64 bits are text: a JSON number is a double. */
static bool read_u64(const cJSON *object, const char *name, uint64_t *ret) {
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
	char *end;
	if (!text || *text < '0' || *text > '9') {
		return false;
	}
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0;
}

static bool to_u32(const cJSON *item, uint32_t *ret) {
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > UINT32_MAX) {
		return false;
	}
	*ret = (uint32_t)item->valuedouble;
	return true;
}

static bool read_u32(const cJSON *object, const char *name, uint32_t *ret) {
	return to_u32(cJSON_GetObjectItemCaseSensitive(object, name), ret);
}

static bool read_text(const cJSON *object, const char *name, char *ret, size_t size) {
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
	if (!text || strlen(text) >= size) {
		return false;
	}
	strcpy(ret, text);
	return true;
}

static bool read_planes(const cJSON *object, struct card_objects *ret) {
	const cJSON *planes = cJSON_GetObjectItemCaseSensitive(object, "planes"), *plane;
	cJSON_ArrayForEach (plane, planes) {
		if (ret->n_planes == CARD_MAX_OBJECTS ||
			!to_u32(plane, &ret->planes[ret->n_planes++])) {
			return false;
		}
	}
	return cJSON_IsArray(planes);
}

static bool read_lease(const cJSON *object, struct state_lease *ret) {
	uint32_t uid, pid;
	const cJSON *holder = cJSON_GetObjectItemCaseSensitive(object, "holder");
	if (!read_u32(object, "lessee", &ret->lessee) ||
		!read_u64(object, "generation", &ret->generation) ||
		!read_u64(object, "since", &ret->since) ||
		!read_u32(object, "connector", &ret->objects.connector) ||
		!read_u32(object, "crtc", &ret->objects.crtc) ||
		!read_planes(object, &ret->objects) ||
		!read_text(object, "label", ret->label, sizeof(ret->label)) ||
		!read_u32(holder, "uid", &uid) || !read_u32(holder, "pid", &pid) ||
		!read_text(holder, "container", ret->holder.container,
			sizeof(ret->holder.container)) ||
		!read_text(holder, "engine", ret->holder.engine, sizeof(ret->holder.engine)) ||
		!read_text(holder, "unit", ret->holder.unit, sizeof(ret->holder.unit))) {
		return false;
	}
	ret->holder.uid = uid;
	ret->holder.pid = (pid_t)pid;
	return true;
}

static bool read_card(const cJSON *object, struct state_card *ret) {
	const cJSON *leases = cJSON_GetObjectItemCaseSensitive(object, "leases"), *lease;
	if (!read_text(object, "store_name", ret->store_name, sizeof(ret->store_name)) ||
		!cJSON_IsArray(leases)) {
		return false;
	}
	cJSON_ArrayForEach (lease, leases) {
		if (ret->n_leases == CARD_MAX_OBJECTS ||
			!read_lease(lease, &ret->leases[ret->n_leases++])) {
			return false;
		}
	}
	return true;
}

int state_parse(struct state *state, const char *text) {
	AUTO_JSON cJSON *root = cJSON_Parse(text);
	const cJSON *cards = cJSON_GetObjectItemCaseSensitive(root, "cards"), *card;
	uint32_t version;
	uint64_t generation;
	size_t n = 0;

	if (!read_u32(root, "version", &version) || version != VERSION ||
		!read_u64(root, "generation", &generation) || !cJSON_IsArray(cards) ||
		cJSON_GetArraySize(cards) > STATE_MAX_CARDS) {
		return -EINVAL;
	}
	AUTO_FREE struct state_card *list =
		calloc((size_t)cJSON_GetArraySize(cards) + 1, sizeof(*list));
	if (!list) {
		return -ENOMEM;
	}
	cJSON_ArrayForEach (card, cards) {
		if (!read_card(card, &list[n++])) {
			return -EINVAL;
		}
	}
	state->last_generation = generation;
	state->cards = TAKE_PTR(list);
	state->n_cards = n;
	return 0;
}

/* The same format the other way round. A cJSON_Add… without memory leaves a file that is refused.
 */

static void add_u64(cJSON *object, const char *name, uint64_t value) {
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	cJSON_AddStringToObject(object, name, text);
}

static char *print_lease(const struct lease *lease) {
	const struct scanout *scanout = lease->scanout;
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "scanout", scanout->id);
	cJSON_AddNumberToObject(object, "lessee", lease->lessee);
	add_u64(object, "generation", lease->generation);
	add_u64(object, "since", scanout->since);
	cJSON_AddStringToObject(object, "label", lease->label);
	cJSON_AddNumberToObject(object, "connector", scanout->objects.connector);
	cJSON_AddNumberToObject(object, "crtc", scanout->objects.crtc);
	cJSON *planes = cJSON_AddArrayToObject(object, "planes");
	for (unsigned i = 0; i < scanout->objects.n_planes; i++) {
		cJSON_AddItemToArray(planes, cJSON_CreateNumber(scanout->objects.planes[i]));
	}
	cJSON *holder = cJSON_AddObjectToObject(object, "holder");
	cJSON_AddNumberToObject(holder, "uid", lease->holder.uid);
	cJSON_AddNumberToObject(holder, "pid", lease->holder.pid);
	cJSON_AddStringToObject(holder, "container", lease->holder.container);
	cJSON_AddStringToObject(holder, "engine", lease->holder.engine);
	cJSON_AddStringToObject(holder, "unit", lease->holder.unit);
	return cJSON_PrintUnformatted(object);
}

/* Printed once: a grant must not cost more the more leases there are. */
static void add_lease(cJSON *leases, struct lease *lease) {
	if (!lease->record) {
		lease->record = print_lease(lease);
	}
	cJSON_AddItemToArray(leases, cJSON_CreateRaw(lease->record));
}

char *state_print(const struct manager *manager) {
	AUTO_JSON cJSON *root = cJSON_CreateObject();
	cJSON_AddNumberToObject(root, "version", VERSION);
	add_u64(root, "generation", manager->leases.last_generation);
	cJSON *cards = cJSON_AddArrayToObject(root, "cards");
	const struct card *card;
	struct lease *lease;
	TAILQ_FOREACH (card, &manager->cards, link) {
		cJSON *object = cJSON_CreateObject();
		cJSON_AddItemToArray(cards, object);
		cJSON_AddStringToObject(object, "device", card->device);
		cJSON_AddStringToObject(object, "store_name", card->store_name);
		cJSON *leases = cJSON_AddArrayToObject(object, "leases");
		TAILQ_FOREACH (lease, &manager->leases.leases, link) {
			if (lease->scanout->card == card) {
				add_lease(leases, lease);
			}
		}
	}
	return cJSON_PrintUnformatted(root);
}
