#include "daemon/core/state_json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/drain/linger.h"

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

/* What a lease has only if its last picture is to linger. */
static bool read_linger(const cJSON *object, struct state_lease *ret) {
	ret->copy_fd = ret->asker_fd = -1;
	return !cJSON_HasObjectItem(object, "linger") ||
	       (read_u64(object, "linger", &ret->linger_usec) &&
		       read_u64(object, "until", &ret->until) &&
		       read_u32(object, "framebuffer", &ret->framebuffer));
}

static bool read_lease(const cJSON *object, struct state_lease *ret) {
	uint32_t uid, pid;
	const cJSON *holder = cJSON_GetObjectItemCaseSensitive(object, "holder");
	if (!read_u32(object, "lessee", &ret->lessee) ||
		!read_u64(object, "generation", &ret->generation) ||
		!read_u64(object, "since", &ret->since) ||
		!read_u32(object, "connector", &ret->objects.connector) ||
		!read_u32(object, "crtc", &ret->objects.crtc) ||
		!read_planes(object, &ret->objects) || !read_linger(object, ret) ||
		!read_text(object, "label", ret->label, sizeof(ret->label)) ||
		!read_u32(holder, "uid", &uid) || !read_u32(holder, "pid", &pid) ||
		!read_text(holder, "container", ret->holder.container,
			sizeof(ret->holder.container)) ||
		!read_text(holder, "engine", ret->holder.engine, sizeof(ret->holder.engine)) ||
		!read_text(holder, "unit", ret->holder.unit, sizeof(ret->holder.unit))) {
		return false;
	}
	/* Only where an agent asked for it. */
	uint32_t agent;
	ret->holder.served = read_u32(holder, "agent", &agent);
	ret->holder.agent_uid = ret->holder.served ? agent : 0;
	ret->holder.apart = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(holder, "apart"));
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

int state_parse(struct state_table *table, const char *text) {
	AUTO_JSON cJSON *root = cJSON_Parse(text);
	const cJSON *cards = cJSON_GetObjectItemCaseSensitive(root, "cards"), *card;
	uint32_t version;
	uint64_t generation;
	size_t n = 0;

	if (!read_u32(root, "version", &version) || version != VERSION ||
		!read_u64(root, "generation", &generation) || !cJSON_IsArray(cards) ||
		cJSON_GetArraySize(cards) > MAX_CARDS) {
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
	*table = (struct state_table){generation, TAKE_PTR(list), n};
	return 0;
}

/* The same format the other way round. Without memory there is no text rather than half of one. */

static bool add_u64(cJSON *object, const char *name, uint64_t value) {
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return cJSON_AddStringToObject(object, name, text);
}

/* Takes the item over in any case. */
static bool add_item(cJSON *array, cJSON *item) {
	if (cJSON_AddItemToArray(array, item)) {
		return true;
	}
	cJSON_Delete(item);
	return false;
}

static bool add_planes(cJSON *object, const struct card_objects *objects) {
	cJSON *planes = cJSON_AddArrayToObject(object, "planes");
	bool ok = planes;
	for (unsigned i = 0; ok && i < objects->n_planes; i++) {
		ok = add_item(planes, cJSON_CreateNumber(objects->planes[i]));
	}
	return ok;
}

static bool add_holder(cJSON *object, const struct identity *identity) {
	cJSON *holder = cJSON_AddObjectToObject(object, "holder");
	return cJSON_AddNumberToObject(holder, "uid", identity->uid) &&
	       cJSON_AddNumberToObject(holder, "pid", identity->pid) &&
	       cJSON_AddStringToObject(holder, "container", identity->container) &&
	       cJSON_AddStringToObject(holder, "engine", identity->engine) &&
	       cJSON_AddStringToObject(holder, "unit", identity->unit) &&
	       (!identity->apart || cJSON_AddTrueToObject(holder, "apart")) &&
	       (!identity->served || cJSON_AddNumberToObject(holder, "agent", identity->agent_uid));
}

/* A scanout with a lease, or with a picture that lingers after one. */
static cJSON *print_scanout(const struct scanout *scanout) {
	AUTO_JSON cJSON *object = cJSON_CreateObject();
	bool ok = cJSON_AddStringToObject(object, "scanout", scanout->id) &&
		  cJSON_AddNumberToObject(
			  object, "lessee", scanout->lease ? scanout->lease->lessee : 0) &&
		  add_u64(object, "generation", scanout->generation) &&
		  add_u64(object, "since", scanout->since) &&
		  cJSON_AddStringToObject(object, "label", scanout->last_label) &&
		  cJSON_AddNumberToObject(object, "connector", scanout->objects.connector) &&
		  cJSON_AddNumberToObject(object, "crtc", scanout->objects.crtc) &&
		  add_planes(object, &scanout->objects) &&
		  add_holder(object, &scanout->last_holder);
	if (scanout->linger) {
		ok = ok && add_u64(object, "linger", linger_usec(scanout)) &&
		     add_u64(object, "until", linger_until(scanout)) &&
		     cJSON_AddNumberToObject(
			     object, "framebuffer", scanout->lease ? 0 : scanout->framebuffer);
	}
	return ok ? TAKE_PTR(object) : NULL;
}

/* Printed once: a grant must not cost more the more leases there are. */
static bool add_lease(cJSON *leases, struct lease *lease) {
	if (!lease->record) {
		AUTO_JSON cJSON *object = print_scanout(lease->scanout);
		lease->record = object ? cJSON_PrintUnformatted(object) : NULL;
	}
	return lease->record && add_item(leases, cJSON_CreateRaw(lease->record));
}

static bool add_card(cJSON *cards, const struct card *card, const struct lease_table *table) {
	cJSON *object = cJSON_CreateObject();
	if (!add_item(cards, object)) {
		return false;
	}
	cJSON *leases = NULL;
	bool ok = cJSON_AddStringToObject(object, "device", card->device) &&
		  cJSON_AddStringToObject(object, "store_name", card->store_name) &&
		  (leases = cJSON_AddArrayToObject(object, "leases"));
	const struct scanout *scanout;
	struct lease *lease;
	TAILQ_FOREACH (lease, &table->leases, link) {
		ok = ok && (lease->scanout->card != card || add_lease(leases, lease));
	}
	TAILQ_FOREACH (scanout, &card->scanouts, link) {
		ok = ok && (!linger_is_on(scanout) || add_item(leases, print_scanout(scanout)));
	}
	return ok;
}

char *state_print(const struct card_list *cards, const struct lease_table *leases) {
	AUTO_JSON cJSON *root = cJSON_CreateObject();
	cJSON *list = NULL;
	bool ok = cJSON_AddNumberToObject(root, "version", VERSION) &&
		  add_u64(root, "generation", leases->last_generation) &&
		  (list = cJSON_AddArrayToObject(root, "cards"));
	const struct card *card;
	TAILQ_FOREACH (card, cards, link) {
		ok = ok && add_card(list, card, leases);
	}
	return ok ? cJSON_PrintUnformatted(root) : NULL;
}
