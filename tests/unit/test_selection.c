/* What the configuration selects, and what of it selects nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "daemon/core/inventory.h"
#include "daemon/core/selection.h"
#include "daemon/util/passed.h"
#include "daemon/util/string_list.h"
#include "fake_clock.h"
#include "rig.h"

#define CARD0 "/dev/dri/card0"
#define CARD1 "/dev/dri/card1"
#define LINK "/dev/dri/by-path/pci-0000:00:02.0-card"

struct told {
	unsigned n;
	char texts[8][256];
};

static void tell(void *data, const char *text) {
	struct told *told = data;
	snprintf(told->texts[told->n++], sizeof(told->texts[0]), "%s", text);
}

static void list_devices(struct rig *rig, const char *devices) {
	assert_int_equal(string_list_split(devices, &rig->manager.config.devices), 0);
}

/* What QEMU adds by itself is nobody's desktop, whichever of the two came first. */
static void auto_means_virtio(void **state) {
	struct rig *rig = *state;
	struct card_snapshot one = fake_topology_virtio(1), two = fake_topology_virtio(2);
	struct fake_card *vga = fake_card_add(CARD1, &one);
	fake_card_set_driver(vga, "bochs-drm");
	fake_send(CARD_EVENT_ADDED, CARD1);
	fake_send(CARD_EVENT_HOTPLUG, CARD1);
	fake_card_add("/dev/dri/card2", &two);
	fake_send(CARD_EVENT_ADDED, "/dev/dri/card2");
	run_until(rig->event, rig->n_added == 6);
	assert_false(fake_card_is_open(vga));
	inventory_look(&rig->manager);
	assert_false(fake_card_is_open(vga));
	/* It is to be had by its name. */
	list_devices(rig, CARD1);
	inventory_look(&rig->manager);
	assert_true(fake_card_is_open(vga));
	rig_settle(rig);
}

static void listed_cards_alone(void **state) {
	struct rig *rig = *state;
	assert_int_equal(selection_has_card(&rig->manager, CARD0), 1);
	list_devices(rig, CARD0);
	assert_int_equal(selection_has_card(&rig->manager, CARD0), 1);
	assert_int_equal(selection_has_card(&rig->manager, CARD1), 0);
	fake_send(CARD_EVENT_ADDED, CARD1);
	run_pending(rig->event);
	assert_int_equal(fake_count(FAKE_OPEN), 1);
}

/* The number of a card may change; a link is made by udev, after the kernel's event. */
static void a_card_by_its_link(void **state) {
	struct rig *rig = *state;
	struct card_snapshot topology = fake_topology_virtio(2);
	fake_card_set_link(rig->card, LINK);
	list_devices(rig, LINK);
	assert_int_equal(selection_has_card(&rig->manager, CARD0), 1);
	assert_int_equal(selection_has_card(&rig->manager, CARD1), 0);
	fake_card_remove(rig->card);
	run_until(rig->event, rig->n_removed == 4);
	/* Whether a card is meant cannot be told now: not that it is none. */
	assert_int_equal(selection_has_card(&rig->manager, CARD1), -EAGAIN);
	struct fake_card *again = fake_card_add(CARD1, &topology);
	fake_send(CARD_EVENT_ADDED, CARD1);
	run_pending(rig->event);
	assert_false(fake_card_is_open(again));
	fake_card_set_link(again, LINK);
	clock_pass(2000000); // it is tried again
	run_until(rig->event, rig->n_added == 6);
	rig_get(rig, &user, "card1-Virtual-2");
}

/* A card from the last daemon is not let go of because its link is not there yet: its leases would
 * end. */
static void a_card_is_kept_until_its_link_is_there(void **state) {
	struct rig *rig = *state;
	char name[] = FDSTORE_CARD "0", *names[] = {name};
	int fds[] = {fcntl(TAILQ_FIRST(&rig->manager.cards)->fd, F_DUPFD_CLOEXEC, 3)};
	struct passed passed = {.names = names, .fds = fds, .n = 1};
	list_devices(rig, LINK);
	assert_int_equal(inventory_adopt(&rig->manager, &passed), -EAGAIN);
}

static void what_selects_nothing_is_told(void **state) {
	struct rig *rig = *state;
	struct told told = {0};
	selection_check(&rig->manager, tell, &told);
	assert_int_equal(told.n, 0);
	list_devices(rig, CARD0 " /dev/dri/card9");
	string_list_free(rig->manager.config.exclude);
	assert_int_equal(string_list_split("card0-Virtual-1 card0-Virtual-9 card9-Virtual-1",
				 &rig->manager.config.exclude),
		0);
	selection_check(&rig->manager, tell, &told);
	assert_int_equal(told.n, 3);
	assert_string_equal(told.texts[0],
		"Devices= names /dev/dri/card9, which is not there, and without it the next start "
		"fails. 'ls /dev/dri /dev/dri/by-path' shows what is");
	assert_string_equal(told.texts[1],
		"Exclude= names card0-Virtual-9, but card0 has no such output, so that it excludes "
		"nothing. 'scanoutctl list' shows the ids");
	assert_string_equal(told.texts[2],
		"Exclude= names card9-Virtual-1, but card9 is not in use, so that it excludes "
		"nothing. 'scanoutctl list' shows the ids");
}

/* Before a card has been looked at, nobody knows what it has; nor where none came yet. */
static void what_is_not_known_yet_is_not_told(void **state) {
	struct rig *rig = rig_new(true, "card0-Virtual-9");
	struct card_snapshot topology = fake_topology_virtio(2);
	struct told told = {0};
	selection_check(&rig->manager, tell, &told);
	fake_card_add(CARD0, &topology);
	fake_hold(FAKE_SNAPSHOT);
	assert_int_equal(inventory_add(&rig->manager, CARD0), 0);
	run_until(rig->event, fake_waiting(FAKE_SNAPSHOT) == 1);
	selection_check(&rig->manager, tell, &told);
	assert_int_equal(told.n, 0);
	fake_release(FAKE_SNAPSHOT);
	run_until(rig->event, rig->n_added == 2);
	selection_check(&rig->manager, tell, &told);
	assert_int_equal(told.n, 1);
	rig_destroy(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(auto_means_virtio),
		TEST(listed_cards_alone),
		TEST(a_card_by_its_link),
		TEST(a_card_is_kept_until_its_link_is_there),
		TEST(what_selects_nothing_is_told),
		cmocka_unit_test(what_is_not_known_yet_is_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
