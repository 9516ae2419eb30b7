/* Cards that come and go, at every moment. */
#include <errno.h>

#include "daemon/core/inventory.h"
#include "rig.h"
#include "scanout/dbus_names.h"

#define CARD0 "/dev/dri/card0"
#define CARD1 "/dev/dri/card1"
#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"

#define SECOND UINT64_C(1000000)

static void cards_that_cannot_be_opened(void **state) {
	struct rig *rig = rig_new(true, NULL);
	struct card_snapshot none = {0}, one = fake_topology_virtio(1);
	assert_int_equal(inventory_add(&rig->manager, CARD0), -ENOENT);
	fake_card_add(CARD0, &none);
	assert_int_equal(inventory_add(&rig->manager, CARD0), -ENXIO);
	fake_card_add(CARD1, &one);
	fake_fail(FAKE_OPEN, 0, 1, -EBUSY);
	assert_int_equal(inventory_add(&rig->manager, CARD1), -EBUSY);
	assert_int_equal(rig->manager.preparing, 0);
	assert_true(TAILQ_EMPTY(&rig->manager.cards));
	rig_destroy(rig);
}

static void the_card_goes_while_leased(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	rig_get(rig, &user, V2);
	struct answer *waiter = ask(rig, &user, .scanout = V1, .timeout_usec = 60 * SECOND);
	fake_card_remove(rig->card);
	run_until(rig->event, rig->n_removed == 4);
	assert_int_equal(rig->n_ended, 2);
	assert_int_equal(rig->last_reason, LEASE_DEVICE_GONE);
	assert_true(TAILQ_EMPTY(&rig->manager.cards));
	assert_true(TAILQ_EMPTY(&rig->manager.leases.leases));
	run_until(rig->event, waiter->n == 1);
	assert_refused(waiter, SCANOUT_ERROR_NO_SUCH);
	assert_refused(ask(rig, &user), SCANOUT_ERROR_NO_FREE);
	run_until(rig->event, !fake_card_is_open(rig->card));
	/* Nothing is blanked or revoked on a card that is gone. */
	assert_int_equal(fake_count(FAKE_REVOKE), 0);
}

/* The kernel says ENODEV before the event comes. */
static void requests_between_the_unplug_and_its_event(void **state) {
	struct rig *rig = *state;
	rig_get(rig, &user, V1);
	fake_card_remove(rig->card);
	assert_refused(ask(rig, &user), SCANOUT_ERROR_DEVICE_BUSY);
	run_until(rig->event, rig->n_removed == 4);
	assert_int_equal(rig->n_ended, 1);
}

static void the_card_goes_while_blanking(void **state) {
	struct rig *rig = *state;
	struct answer *a = rig_get(rig, &user, V1);
	fake_hold(FAKE_BLANK);
	answer_close(a);
	run_until(rig->event, fake_waiting(FAKE_BLANK) == 1);
	struct answer *waiter = ask(rig, &user, .scanout = V1);
	assert_int_equal(waiter->n, 0);
	fake_card_remove(rig->card);
	run_until(rig->event, rig->n_removed == 4);
	/* Who waited for the blanking, without a timeout, must not wait for ever. */
	run_until(rig->event, waiter->n == 1);
	assert_refused(waiter, SCANOUT_ERROR_NO_SUCH);
	assert_true(fake_card_is_open(rig->card)); // the thread still uses it
	fake_release(FAKE_BLANK);
	run_until(rig->event, !fake_card_is_open(rig->card));
}

static void the_card_goes_while_looked_at(void **state) {
	struct rig *rig = *state;
	fake_hold(FAKE_SNAPSHOT);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	run_until(rig->event, fake_waiting(FAKE_SNAPSHOT) == 1);
	fake_card_remove(rig->card);
	run_until(rig->event, rig->n_removed == 4);
	fake_release(FAKE_SNAPSHOT);
	run_until(rig->event, !fake_card_is_open(rig->card));
}

static void the_card_goes_while_prepared(void **state) {
	struct rig *rig = rig_new(true, NULL);
	struct card_snapshot topology = fake_topology_virtio(2);
	struct fake_card *card = fake_card_add(CARD0, &topology);
	fake_hold(FAKE_SNAPSHOT);
	assert_int_equal(inventory_add(&rig->manager, CARD0), 0);
	run_until(rig->event, fake_waiting(FAKE_SNAPSHOT) == 1);
	fake_card_remove(card);
	run_until(rig->event, rig->n_prepared == 1); // nothing is left to wait for
	assert_int_equal(rig->n_added + rig->n_removed, 0);
	fake_release(FAKE_SNAPSHOT);
	run_until(rig->event, !fake_card_is_open(card));
	assert_int_equal(rig->n_prepared, 1);
	rig_destroy(rig);
}

/* Rebinding the driver: the same node again, while the old one's thread still hangs. */
static void the_card_comes_back(void **state) {
	struct rig *rig = *state;
	struct card_snapshot topology = fake_topology_virtio(2);
	struct answer *a = rig_get(rig, &user, V1);
	fake_hold(FAKE_BLANK);
	answer_close(a);
	run_until(rig->event, fake_waiting(FAKE_BLANK) == 1);
	fake_card_remove(rig->card);
	run_until(rig->event, rig->n_removed == 4);
	struct fake_card *again = fake_card_add(CARD0, &topology);
	fake_send(CARD_EVENT_ADDED, CARD0);
	run_until(rig->event, fake_card_is_open(again));
	fake_release(FAKE_BLANK);
	run_until(rig->event, rig->n_added == 6);
	run_until(rig->event, !fake_card_is_open(rig->card));
	assert_true(rig_get(rig, &user, V1)->generation > a->generation);
}

static void a_card_comes_later(void **state) {
	struct rig *rig = *state;
	struct card_snapshot topology = fake_topology_virtio(2);
	fake_card_add(CARD1, &topology);
	fake_send(CARD_EVENT_ADDED, CARD1);
	fake_send(CARD_EVENT_ADDED, CARD0); // known already
	run_until(rig->event, rig->n_added == 6);
	assert_int_equal(rig_get(rig, &user, "card1-Virtual-2")->lessee, 1);
	/* The same lessee id on another card is another lessee. */
	assert_int_equal(rig_get(rig, &user, V2)->lessee, 1);
	answer_close(&rig->answers[0]);
	run_until(rig->event, rig_state(rig, "card1-Virtual-2") == SCANOUT_FREE);
	assert_int_equal(rig_state(rig, V2), SCANOUT_LEASED);
}

/* The kernel tells of a card a moment before it can be opened, then of its connectors. */
static void a_card_that_is_not_ready_yet(void **state) {
	struct rig *rig = *state;
	struct card_snapshot topology = fake_topology_virtio(2);
	fake_card_add(CARD1, &topology);
	fake_fail(FAKE_OPEN, 0, 1, -ENODEV);
	fake_send(CARD_EVENT_ADDED, CARD1);
	run_until(rig->event, fake_count(FAKE_OPEN) == 2);
	assert_int_equal(rig->n_added, 4);
	fake_send(CARD_EVENT_HOTPLUG, CARD1);
	run_until(rig->event, rig->n_added == 6);
	rig_get(rig, &user, "card1-Virtual-2");
}

/* A card's coming and another's going were among the events that got lost. */
static void cards_are_looked_for_after_a_loss(void **state) {
	struct rig *rig = *state;
	struct card_snapshot topology = fake_topology_virtio(1);
	rig_get(rig, &user, V1);
	fake_card_remove(rig->card);
	fake_card_add(CARD1, &topology);
	fake_lose_events();
	run_until(rig->event, rig->n_removed == 4 && rig->n_added == 5);
	assert_int_equal(rig->last_reason, LEASE_DEVICE_GONE);
	rig_get(rig, &user, "card1-Virtual-1");
}

/* ENODEV after a loss: the card is taken for another, and its node opened while a thread uses it.
 */
static void the_card_is_still_ours(void **state) {
	struct rig *rig = *state;
	fake_hold(FAKE_SNAPSHOT);
	fake_send(CARD_EVENT_HOTPLUG, CARD0);
	run_until(rig->event, fake_waiting(FAKE_SNAPSHOT) == 1);
	fake_fail(FAKE_LIST, 0, 1, -ENODEV);
	fake_lose_events();
	run_until(rig->event, rig->n_removed == 4);
	assert_int_equal(fake_count(FAKE_OPEN), 2);
	assert_true(TAILQ_EMPTY(&rig->manager.cards));
	fake_release(FAKE_SNAPSHOT);
	rig_settle(rig);
	assert_int_equal(fake_count(FAKE_OPEN), 3);
	assert_int_equal(rig->n_added, 8);
	rig_get(rig, &user, V1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards_that_cannot_be_opened),
		TEST(the_card_goes_while_leased),
		TEST(requests_between_the_unplug_and_its_event),
		TEST(the_card_goes_while_blanking),
		TEST(the_card_goes_while_looked_at),
		cmocka_unit_test(the_card_goes_while_prepared),
		TEST(the_card_comes_back),
		TEST(a_card_comes_later),
		TEST(a_card_that_is_not_ready_yet),
		TEST(cards_are_looked_for_after_a_loss),
		TEST(the_card_is_still_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
