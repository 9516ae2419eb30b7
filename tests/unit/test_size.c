/* What size a scanout is to have: the host's, the last one, or the usual one. */
#include <string.h>

#include "daemon/core/inventory.h"
#include "rig.h"

#define CARD0 "/dev/dri/card0"
#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"

static void wait_for_look(struct rig *rig, unsigned n) {
	run_until(rig->event,
		fake_count(FAKE_SNAPSHOT) > n && !TAILQ_FIRST(&rig->manager.cards)->updating);
}

/* The host gives V2 this size; 0, 0: it takes it away. */
static void size_head(struct rig *rig, uint32_t width, uint32_t height) {
	unsigned n = fake_count(FAKE_SNAPSHOT);
	fake_card_set_preferred(rig->card, 1, width, height);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	wait_for_look(rig, n);
}

static void assert_size(struct rig *rig, uint32_t width, uint32_t height) {
	const struct scanout *scanout = rig_scanout(rig, V2);
	assert_int_equal(scanout->preferred.width, width);
	assert_int_equal(scanout->preferred.height, height);
}

/* One that nobody has is of the usual size until the host gives it one. */
static void a_free_one(void **state) {
	struct rig *rig = *state;
	assert_size(rig, 1281, 800);
	size_head(rig, 0, 0);
	assert_size(rig, 1024, 768);
	size_head(rig, 1600, 900);
	assert_size(rig, 1600, 900);
}

static void from_the_start(void **state) {
	struct rig *rig = rig_new(true, NULL);
	struct card_snapshot topology = fake_topology_virtio(2);
	topology.connectors[1].preferred = (struct card_mode){0};
	rig->card = rig_add_card(rig, CARD0, &topology);
	assert_size(rig, 1024, 768);
	rig_destroy(rig);
}

/* A desktop that runs hears nothing when the host takes the size away. */
static void a_leased_one_keeps_it(void **state) {
	struct rig *rig = *state;
	struct answer *a = rig_get(rig, &user, V2);
	unsigned n_changed = rig->n_changed;
	size_head(rig, 0, 0);
	assert_size(rig, 1281, 800);
	size_head(rig, 1281, 800);
	size_head(rig, 0, 0);
	assert_int_equal(rig->n_changed, n_changed);
	size_head(rig, 1600, 900);
	assert_size(rig, 1600, 900);
	assert_int_equal(rig->n_changed, n_changed + 1);
	size_head(rig, 0, 0);
	assert_size(rig, 1600, 900);
	/* The next one is not bound to it. */
	answer_close(a);
	run_until(rig->event, rig_state(rig, V2) == SCANOUT_FREE);
	assert_size(rig, 1024, 768);
}

static void a_connector_that_is_gone_has_none(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V2);
	unsigned n = fake_count(FAKE_SNAPSHOT);
	fake_card_drop_connector(rig->card, 1);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	wait_for_look(rig, n);
	assert_size(rig, 0, 0);
}

/* The daemon does not remember sizes: what is shown tells the last one. */
static void over_a_restart(void **state) {
	struct rig *rig = *state;
	rig_keep_state(rig);
	rig_get(rig, &user, V2); // the fake kernel shows it in 1920x1080
	size_head(rig, 0, 0);
	rig_restart(rig);
	assert_int_equal(rig_state(rig, V2), SCANOUT_LEASED);
	assert_size(rig, 1920, 1080);
	size_head(rig, 1600, 900);
	rig_restart(rig);
	assert_size(rig, 1600, 900); // the host's counts
}

static void after_a_reload(void **state) {
	struct rig *rig = *state;
	size_head(rig, 0, 0);
	struct answer *a = rig_get(rig, &user, V2);
	rig->manager.config.default_width = 800;
	rig->manager.config.default_height = 600;
	unsigned n = fake_count(FAKE_SNAPSHOT);
	inventory_update_all(&rig->manager);
	wait_for_look(rig, n);
	assert_size(rig, 1024, 768);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V2) == SCANOUT_FREE);
	assert_size(rig, 800, 600);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_free_one),
		cmocka_unit_test(from_the_start),
		TEST(a_leased_one_keeps_it),
		TEST(a_connector_that_is_gone_has_none),
		TEST(over_a_restart),
		TEST(after_a_reload),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
