/* What a look at a card finds: outputs that come, change and go, and which of them are excluded. */
#include <errno.h>
#include <string.h>

#include "rig.h"
#include "scanout/dbus_names.h"

#define CARD0 "/dev/dri/card0"
#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define V3 "card0-Virtual-3"

#define SECOND UINT64_C(1000000)

static void hotplug(struct rig *rig, unsigned connector, bool connected) {
	unsigned n = fake_count(FAKE_SNAPSHOT);
	fake_card_set_connected(rig->card, connector, connected);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	run_until(rig->event,
		fake_count(FAKE_SNAPSHOT) > n && !TAILQ_FIRST(&rig->manager.cards)->updating);
}

static struct rig *without_forcing(void) {
	struct card_snapshot topology = fake_topology_virtio(3);
	struct rig *rig = rig_new(false, NULL);
	rig->card = rig_add_card(rig, CARD0, &topology);
	return rig;
}

/* What the host has not connected is connected, and what was shown before us is blanked. */
static void a_card_is_prepared(void **state) {
	struct card_snapshot topology = fake_topology_virtio(16);
	struct rig *rig = rig_new(true, NULL);
	for (unsigned i = 1; i < 16; i++) {
		topology.connectors[i].connected = false;
	}
	rig->card = rig_add_card(rig, CARD0, &topology);
	assert_int_equal(rig->n_added, 16);
	assert_int_equal(rig->n_prepared, 1);
	assert_int_equal(fake_count(FAKE_FORCE_CONNECT), 15);
	assert_true(rig_all_free(rig));
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(fake_card_picture(rig->card, i), 0);
	}
	assert_int_equal(rig_scanout(rig, "card0-Virtual-16")->index, 15);
	rig_destroy(rig);
}

static void an_excluded_output_is_left_alone(void **state) {
	struct card_snapshot topology = fake_topology_virtio(3);
	struct rig *rig = rig_new(true, V1 " " V2);
	topology.connectors[0].current_crtc = FAKE_CRTC(0);
	topology.connectors[1].connected = false;
	rig->card = rig_add_card(rig, CARD0, &topology);
	assert_int_equal(rig_state(rig, V1), SCANOUT_EXCLUDED);
	assert_int_equal(rig_state(rig, V2), SCANOUT_EXCLUDED);
	assert_int_equal(rig_state(rig, V3), SCANOUT_FREE);
	assert_int_not_equal(fake_card_picture(rig->card, 0), 0); // the console's
	assert_int_equal(fake_card_picture(rig->card, 2), 0);
	assert_int_equal(fake_count(FAKE_FORCE_CONNECT), 0);
	rig_get(rig, &root, V3);
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	rig_destroy(rig);
}

/* What drives an excluded output is excluded with it. */
static void an_excluded_output_keeps_its_crtc(void **state) {
	struct card_snapshot topology = fake_topology_floating_crtcs(3, 2);
	struct rig *rig = rig_new(true, V2);
	topology.connectors[1].current_crtc = FAKE_CRTC(0);
	rig->card = rig_add_card(rig, CARD0, &topology);
	assert_int_equal(rig_get(rig, &root, V1)->objects.crtc, FAKE_CRTC(1));
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	assert_int_not_equal(fake_card_picture(rig->card, 0), 0);
	rig_destroy(rig);
}

/* A card whose first look fails does not keep the daemon from starting, and is looked at again. */
static void the_first_look_fails(void **state) {
	static const enum fake_op ops[] = {FAKE_SNAPSHOT, FAKE_BLANK};
	for (size_t i = 0; i < N_ELEMENTS(ops); i++) {
		struct rig *rig = rig_new(true, NULL);
		struct card_snapshot topology = fake_topology_virtio(2);
		fake_fail(ops[i], 0, 1, -EIO);
		struct fake_card *card = rig_add_card(rig, CARD0, &topology);
		assert_int_equal(rig->n_prepared, 1);
		assert_int_equal(rig->n_added, 0);
		assert_true(fake_card_is_open(card)); // it may have leases from before a restart
		assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
		rig_settle(rig);
		assert_int_equal(rig->n_added, 2);
		assert_true(rig_all_free(rig));
		rig_destroy(rig);
	}
}

static void an_output_that_cannot_be_connected_is_absent(void **state) {
	struct rig *rig = rig_new(true, NULL);
	struct card_snapshot topology = fake_topology_virtio(2);
	topology.connectors[1].connected = false;
	fake_fail(FAKE_FORCE_CONNECT, 0, 1, -EACCES);
	rig->card = rig_add_card(rig, CARD0, &topology);
	assert_int_equal(rig_state(rig, V1), SCANOUT_FREE);
	assert_int_equal(rig_state(rig, V2), SCANOUT_ABSENT);
	rig_destroy(rig);
}

static void outputs_come_and_go_with_the_host(void **state) {
	struct rig *rig = without_forcing();
	hotplug(rig, 1, false);
	assert_int_equal(rig_state(rig, V2), SCANOUT_ABSENT);
	struct answer *a = ask(rig, &user, .scanout = V2);
	assert_refused(a, SCANOUT_ERROR_NO_SUCH);
	assert_non_null(strstr(a->message, "is not connected"));
	hotplug(rig, 1, true);
	assert_int_equal(rig_state(rig, V2), SCANOUT_FREE);
	rig_get(rig, &user, V2);
	assert_int_equal(fake_count(FAKE_FORCE_CONNECT), 0);
	rig_destroy(rig);
}

/* A host that closes a window does not end the desktop in it. */
static void a_lease_outlives_the_connection(void **state) {
	struct rig *rig = without_forcing();
	struct answer *a = rig_get(rig, &user, V1);
	hotplug(rig, 0, false);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	assert_int_equal(rig->n_ended, 0);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_ABSENT);
	rig_destroy(rig);
}

/* A connector that is gone as an object takes its lease along. */
static void a_connector_that_is_gone(void **state) {
	struct rig *rig = without_forcing();
	rig_get(rig, &user, V2);
	rig_get(rig, &user, V3);
	fake_card_drop_connector(rig->card, 1);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	run_until(rig->event, rig->n_ended == 1);
	assert_string_equal(rig->last_ended, V2);
	assert_int_equal(rig->last_reason, LEASE_UNPLUGGED);
	run_until(rig->event, rig_state(rig, V2) == SCANOUT_ABSENT);
	assert_refused(ask(rig, &user, .scanout = V2), SCANOUT_ERROR_NO_SUCH);
	/* The others' places in the snapshot moved; the leases stay theirs. */
	assert_int_equal(rig_state(rig, V3), SCANOUT_LEASED);
	assert_int_equal(fake_card_n_lessees(rig->card), 1);
	answer_close(&rig->answers[1]);
	run_until(rig->event, rig_state(rig, V3) == SCANOUT_FREE);
	rig_destroy(rig);
}

/* The host resizes an output under its lease: that is told, and to later holders as well. */
static void a_new_size_is_told(void **state) {
	struct rig *rig = without_forcing();
	rig_get(rig, &user, V2);
	const struct scanout *scanout = rig_scanout(rig, V2);
	assert_int_equal(scanout->preferred.width, 1281);
	unsigned n_changed = rig->n_changed;
	hotplug(rig, 1, true); // nothing is new
	assert_int_equal(rig->n_changed, n_changed);
	fake_card_set_preferred(rig->card, 1, 1600, 900);
	hotplug(rig, 1, true);
	assert_int_equal(rig->n_changed, n_changed + 1);
	assert_int_equal(scanout->preferred.width, 1600);
	assert_int_equal(scanout->preferred.height, 900);
	assert_int_equal(rig_state(rig, V2), SCANOUT_LEASED);
	rig_destroy(rig);
}

/* A hotplug while a look is under way: another one follows, and sees what the first missed. */
static void hotplug_during_a_look(void **state) {
	struct rig *rig = without_forcing();
	fake_hold(FAKE_SNAPSHOT);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	run_until(rig->event, fake_waiting(FAKE_SNAPSHOT) == 1);
	unsigned n = fake_count(FAKE_SNAPSHOT);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	run_until(rig->event, TAILQ_FIRST(&rig->manager.cards)->outdated);
	/* Requests are not held up by it. */
	rig_get(rig, &user, V1);
	fake_release(FAKE_SNAPSHOT);
	run_until(rig->event, fake_count(FAKE_SNAPSHOT) == n + 1);
	run_until(rig->event, !TAILQ_FIRST(&rig->manager.cards)->updating);
	rig_destroy(rig);
}

static void reload_excludes_and_includes(void **state) {
	struct rig *rig = *state;
	rig_reload(rig, V1 " " V2);
	assert_int_equal(rig_state(rig, V1), SCANOUT_EXCLUDED);
	assert_refused(ask(rig, &root, .scanout = V1), SCANOUT_ERROR_NOT_ALLOWED);
	fake_hold(FAKE_BLANK);
	rig_reload(rig, V2);
	/* Somebody else's picture may be on it: blank first. */
	assert_int_equal(rig_state(rig, V1), SCANOUT_DRAINING);
	struct answer *a = ask(rig, &root, .scanout = V1);
	assert_int_equal(a->n, 0);
	fake_release(FAKE_BLANK);
	run_until(rig->event, a->n == 1);
	assert_granted(a, V1);
	assert_int_equal(rig_state(rig, V2), SCANOUT_EXCLUDED);
}

/* Whoever has it may keep it; the next one does not get it. */
static void reload_excludes_what_is_leased(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	rig_get(rig, &user, V2);
	fake_hold(FAKE_BLANK);
	answer_close(&rig->answers[1]);
	run_until(rig->event, rig_state(rig, V2) == SCANOUT_DRAINING);
	rig_reload(rig, V1 " " V2);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	struct answer *waiter = ask(rig, &user, .scanout = V1, .timeout_usec = 60 * SECOND);
	fake_release(FAKE_BLANK);
	run_until(rig->event, rig_state(rig, V2) == SCANOUT_EXCLUDED);
	answer_close(&rig->answers[0]);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_EXCLUDED);
	run_until(rig->event, waiter->n == 1);
	assert_refused(waiter, SCANOUT_ERROR_NOT_ALLOWED);
}

static void reload_excludes_what_is_absent(void **state) {
	struct rig *rig = without_forcing();
	hotplug(rig, 1, false);
	rig_reload(rig, V2);
	hotplug(rig, 1, true);
	assert_int_equal(rig_state(rig, V2), SCANOUT_EXCLUDED);
	hotplug(rig, 1, false);
	rig_reload(rig, NULL);
	run_until(rig->event, rig_state(rig, V2) == SCANOUT_ABSENT);
	rig_destroy(rig);
}

static void reload_keeps_its_crtc(void **state) {
	struct card_snapshot topology = fake_topology_floating_crtcs(3, 2);
	struct rig *rig = rig_with_card(&topology);
	rig_reload(rig, V1);
	rig_get(rig, &root, V2);
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	rig_reload(rig, NULL);
	struct answer *a = ask(rig, &root, .timeout_usec = 60 * SECOND);
	run_until(rig->event, a->n == 1);
	assert_granted(a, NULL);
	rig_destroy(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_card_is_prepared),
		cmocka_unit_test(an_excluded_output_is_left_alone),
		cmocka_unit_test(an_excluded_output_keeps_its_crtc),
		cmocka_unit_test(the_first_look_fails),
		cmocka_unit_test(an_output_that_cannot_be_connected_is_absent),
		cmocka_unit_test(outputs_come_and_go_with_the_host),
		cmocka_unit_test(a_lease_outlives_the_connection),
		cmocka_unit_test(a_connector_that_is_gone),
		cmocka_unit_test(a_new_size_is_told),
		cmocka_unit_test(hotplug_during_a_look),
		TEST(reload_excludes_and_includes),
		TEST(reload_excludes_what_is_leased),
		cmocka_unit_test(reload_excludes_what_is_absent),
		cmocka_unit_test(reload_keeps_its_crtc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
