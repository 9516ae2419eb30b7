/* leases.json: what is written is read again, and nothing else is. */
#include "daemon/core/state.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/manager.h"
#include "daemon/core/state_json.h"
#include "support.h"

/* A manager with one card and one lease on it, without a kernel behind. */
struct table {
	struct manager manager;
	struct card card;
	struct scanout scanout;
	struct lease lease;
};

static void fill(struct table *t) {
	*t = (struct table){
		.card = {.device = "/dev/dri/card0", .store_name = "card.0123.pci_10"},
		.scanout = {.id = "card0-Virtual-3",
			.since = UINT64_C(1790000000123456),
			.objects =
				{.connector = 44, .crtc = 43, .planes = {41, 42}, .n_planes = 2}},
		.lease = {.lessee = 7,
			.generation = UINT64_C(18446744073709551615),
			.label = "desk",
			.holder = {.uid = 4294967294u,
				.pid = 812,
				.engine = "podman",
				.container = "0123456789abcdef",
				.unit = "libpod-0123.scope",
				.apart = true,
				.served = true,
				.agent_uid = 61000}},
	};
	TAILQ_INIT(&t->manager.cards);
	lease_table_init(&t->manager.leases);
	t->manager.leases.last_generation = UINT64_C(9007199254740993); // no double has it
	TAILQ_INSERT_TAIL(&t->manager.cards, &t->card, link);
	TAILQ_INIT(&t->card.scanouts);
	TAILQ_INSERT_TAIL(&t->card.scanouts, &t->scanout, link);
	t->scanout.card = &t->card;
	t->scanout.lease = &t->lease;
	t->scanout.generation = t->lease.generation;
	t->scanout.last_holder = t->lease.holder;
	strcpy(t->scanout.last_label, t->lease.label);
	t->lease.scanout = &t->scanout;
	TAILQ_INSERT_TAIL(&t->manager.leases.leases, &t->lease, link);
}

static void save(struct table *t) {
	state_save(&t->manager.state, &t->manager.cards, &t->manager.leases);
}

static void is_read_as_written(void **unused) {
	struct table t;
	struct state state = {0};
	fill(&t);
	AUTO_JSON_TEXT char *text = state_print(&t.manager.cards, &t.manager.leases);
	assert_int_equal(state_parse(&state.table, text), 0);
	assert_int_equal(state.table.last_generation, UINT64_C(9007199254740993));
	struct state_lease leases[CARD_MAX_OBJECTS];
	assert_int_equal(state_take(&state, "card.ffff.pci_10", leases), 0);
	assert_int_equal(state_take(&state, "card.0123.pci_10", leases), 1);
	assert_int_equal(state_take(&state, "card.0123.pci_10", leases), 0); // once
	const struct state_lease *lease = &leases[0];
	assert_int_equal(lease->lessee, 7);
	assert_int_equal(lease->generation, UINT64_C(18446744073709551615));
	assert_int_equal(lease->since, UINT64_C(1790000000123456));
	assert_memory_equal(&lease->objects, &t.scanout.objects, sizeof(lease->objects));
	assert_string_equal(lease->label, "desk");
	assert_true(identity_same_holder(&lease->holder, &t.lease.holder));
	assert_int_equal(lease->holder.pid, 812);
	assert_string_equal(lease->holder.unit, "libpod-0123.scope");
	assert_true(lease->holder.served);
	assert_int_equal(lease->holder.agent_uid, 61000);
	state_finish(&state);
	free(t.lease.record);
}

static void torn_files_are_refused(void **unused) {
	struct table t;
	fill(&t);
	AUTO_JSON_TEXT char *text = state_print(&t.manager.cards, &t.manager.leases);
	for (size_t length = 0; length < strlen(text); length++) {
		struct state state = {0};
		AUTO_FREE char *torn = strndup(text, length);
		assert_true(state_parse(&state.table, torn) < 0);
		assert_null(state.table.cards);
		assert_int_equal(state.table.n_cards, 0);
	}
	free(t.lease.record);
}

static void foreign_files_are_refused(void **unused) {
	static const char *const texts[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"version\":2,\"generation\":\"1\",\"cards\":[]}",
		"{\"version\":1,\"generation\":1,\"cards\":[]}",
		"{\"version\":1,\"generation\":\"-1\",\"cards\":[]}",
		"{\"version\":1,\"generation\":\"99999999999999999999\",\"cards\":[]}",
		"{\"version\":1,\"generation\":\"1\",\"cards\":{}}",
		"{\"version\":1,\"generation\":\"1\",\"cards\":[7]}",
		"{\"version\":1,\"generation\":\"1\",\"cards\":[{\"store_name\":\"a\",\"leases\":[{}]}]}",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct state state = {0};
		assert_true(state_parse(&state.table, texts[i]) < 0);
		assert_null(state.table.cards);
	}
}

/* Every value replaced by one of another type or one that is too long: refused, never cut. */
static void wrong_values_are_refused(void **unused) {
	static const char *const names[] = {
		"lessee", "generation", "since", "label", "connector", "crtc", "planes", "holder"};
	struct table t;
	fill(&t);
	AUTO_JSON_TEXT char *text = state_print(&t.manager.cards, &t.manager.leases);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_JSON cJSON *root = cJSON_Parse(text);
		cJSON *card = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "cards"), 0);
		cJSON *lease = cJSON_GetArrayItem(cJSON_GetObjectItem(card, "leases"), 0);
		char longer[301];
		memset(longer, 'x', sizeof(longer) - 1);
		longer[sizeof(longer) - 1] = '\0';
		cJSON_ReplaceItemInObject(lease, names[i], cJSON_CreateString(longer));
		AUTO_JSON_TEXT char *changed = cJSON_PrintUnformatted(root);
		struct state state = {0};
		assert_true(state_parse(&state.table, changed) < 0);
	}
	free(t.lease.record);
}

static void a_file_that_cannot_be_written_is_no_harm(void **unused) {
	struct table t;
	fill(&t);
	char directory[] = "/tmp/scanoutd-state-XXXXXX";
	assert_non_null(mkdtemp(directory));
	state_init(&t.manager.state, directory);
	save(&t);
	state_finish(&t.manager.state);

	struct state again;
	state_init(&again, directory);
	assert_int_equal(again.table.n_cards, 1);
	state_finish(&again);

	AUTO_FREE char *path = NULL;
	assert_true(asprintf(&path, "%s/leases.json", directory) > 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	state_init(&t.manager.state, directory); // it is gone
	save(&t);
	state_finish(&t.manager.state);
	free(t.lease.record);
}

/* The kernel would give the numbers in it to others. */
static void an_old_file_does_not_outlive_a_failure(void **unused) {
	struct table t;
	fill(&t);
	char directory[] = "/tmp/scanoutd-state-XXXXXX";
	assert_non_null(mkdtemp(directory));
	AUTO_FREE char *path = NULL, *draft = NULL;
	assert_true(asprintf(&path, "%s/leases.json", directory) > 0);
	assert_true(asprintf(&draft, "%s.new", path) > 0);
	state_init(&t.manager.state, directory);
	save(&t);
	assert_int_equal(access(path, F_OK), 0);

	assert_int_equal(mkdir(draft, 0700), 0); // in the way of the next one
	save(&t);
	assert_int_equal(access(path, F_OK), -1);

	assert_int_equal(rmdir(draft), 0);
	save(&t);
	assert_int_equal(access(path, F_OK), 0);
	state_finish(&t.manager.state);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	free(t.lease.record);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_read_as_written),
		cmocka_unit_test(torn_files_are_refused),
		cmocka_unit_test(foreign_files_are_refused),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(a_file_that_cannot_be_written_is_no_harm),
		cmocka_unit_test(an_old_file_does_not_outlive_a_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
