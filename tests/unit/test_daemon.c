/* The daemon as a command: arguments, exit statuses, configuration, and reloads of it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_rig.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"

/* Without a bus: nothing below may need one. */
static int setup(void **state) {
	*state = bus_rig_new();
	return 0;
}

static void arguments(void **state) {
	struct bus_rig *rig = *state;
	assert_int_equal(bus_rig_run(rig, "1", "--help"), 0);
	assert_logged(rig, "Usage: scanoutd");
	assert_int_equal(bus_rig_run(rig, "1", "--version"), 0);
	assert_logged(rig, "scanoutd ");
	assert_int_equal(bus_rig_run(rig, "1", "--bogus"), 64);
	assert_logged(rig, "Usage: scanoutd");
	assert_int_equal(bus_rig_run(rig, "1", "now"), 64);
	assert_logged(rig, "'now' is one argument too many");
}

/* Without systemd nothing keeps the card, and the daemon says what that means. */
static void what_a_restart_costs(void **state) {
	struct bus_rig *rig = *state;
	rig->by_hand = true;
	bus_rig_start_bus(rig, true);
	rig->daemon = bus_rig_spawn(rig, "4", NULL);
	bus_rig_wait_logged(rig,
		"Nothing keeps the cards when this process ends: that ends all leases. As a "
		"service ('systemctl start scanoutd') it is restarted without that");
}

static void check_config(void **state) {
	struct bus_rig *rig = *state;
	char expected[512];
	assert_int_equal(bus_rig_run(rig, "1", "--check-config"), 0);
	assert_logged(rig, "The configuration is right");
	bus_rig_write_config(rig, "[Card]\nSeat=none\n[Policy]\nMaxPerHolder=many\n");
	assert_int_equal(bus_rig_run(rig, "1", "--check-config"), 78);
	snprintf(expected, sizeof(expected),
		"%s:4: MaxPerHolder=many is not allowed: it is a number from 1 to 4096",
		rig->config);
	assert_logged(rig, expected);
	/* The same without the option: it does not start. */
	assert_int_equal(bus_rig_run(rig, "1", NULL), 78);
	assert_logged(rig, expected);
	/* A file that was asked for by name has to be there. */
	assert_int_equal(unlink(rig->config), 0);
	assert_int_equal(bus_rig_run(rig, "1", "--check-config"), 78);
	assert_logged(rig, "No such file or directory. Name a file that exists");
}

static void cards_that_cannot_be_had(void **state) {
	struct bus_rig *rig = *state;
	assert_int_equal(bus_rig_run(rig, "busy", NULL), 75);
	assert_logged(rig, "/dev/dri/card0: Already in the hands of Xorg (pid 812)");
	bus_rig_write_config(rig, "[Card]\nSeat=none\nDevices=/dev/dri/card7\n");
	assert_int_equal(bus_rig_run(rig, "1", NULL), 69);
	assert_logged(rig, "/dev/dri/card7: Cannot be used: No such file or directory");
	bus_rig_write_config(rig, "[Card]\nSeat=none\nDevices=/dev/dri/card0\n");
	assert_int_equal(bus_rig_run(rig, "0", NULL), 69);
	assert_logged(rig, "/dev/dri/card0: Has no outputs");
}

/* Another card is not even opened, whoever is its master; a listed one is found by any path. */
static void cards_that_are_not_meant(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_start_bus(rig, true);
	bus_rig_start_daemon(rig, "vga,2");
	assert_logged(rig, "/dev/dri/card0: Not used: its driver is bochs-drm, and Devices=auto "
			   "means virtio_gpu. Name it in Devices= of scanoutd.conf if it is meant");
	rig->client = bus_rig_connect(rig);
	assert_int_equal(count_free(rig->client), 2);
	bus_rig_stop_daemon(rig);
	bus_rig_write_config(rig, "[Card]\nSeat=none\nDevices=/dev/dri/by-path/0-card\n");
	bus_rig_start_daemon(rig, "vga,2");
	assert_int_equal(count_free(rig->client), 1);
	bus_rig_stop_daemon(rig);
	bus_rig_write_config(rig, "[Card]\nSeat=none\nDevices=/dev/dri/by-path/7-card\n");
	assert_int_equal(bus_rig_run(rig, "vga,2", NULL), 69);
	assert_logged(rig,
		"/dev/dri/by-path/7-card: No such file or directory. Name a card in "
		"Devices= of scanoutd.conf: 'ls -l /dev/dri /dev/dri/by-path' shows them");
}

static void a_seat_that_is_not_there(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_write_config(rig, "[Card]\nSeat=libseat\n");
	setenv("LIBSEAT_BACKEND", "seatd", true);
	setenv("SEATD_SOCK", "/nonexistent/seatd.sock", true);
	assert_int_equal(bus_rig_run(rig, "1", NULL), 69);
	assert_logged(rig, "Seat=libseat, but no seat manager gives us a seat");
	unsetenv("LIBSEAT_BACKEND");
	unsetenv("SEATD_SOCK");
}

static void a_bus_that_refuses_the_name(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_start_bus(rig, false);
	assert_int_equal(bus_rig_run(rig, "1", NULL), 77);
	assert_logged(rig, "The bus refuses the name org.scanoutd.Scanout1");
}

static void one_daemon_per_bus(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_start_bus(rig, true);
	bus_rig_start_daemon(rig, "2");
	char *log = rig->log;
	assert_true(asprintf(&rig->log, "%s/second", rig->directory) > 0);
	assert_int_equal(bus_rig_run(rig, "2", NULL), 69);
	assert_logged(rig, "Another scanoutd has the name org.scanoutd.Scanout1 already");
	free(rig->log);
	rig->log = log;
	rig->client = bus_rig_connect(rig);
	assert_int_equal(count_free(rig->client), 2);
}

/* Devices=auto: it waits for a card, and answers meanwhile. */
static void no_card_yet(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_start_bus(rig, true);
	bus_rig_start_daemon(rig, "");
	rig->client = bus_rig_connect(rig);
	assert_int_equal(count_free(rig->client), 0);
	assert_error(rig->client, SCANOUT_ERROR_NO_FREE, "RequestScanout", "a{sv}", 0);
	assert_logged(rig, "No virtio-gpu with outputs yet; waiting for one");
}

static void several_cards(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_start_bus(rig, true);
	bus_rig_start_daemon(rig, "2,0,16"); // the second has no outputs: not an error
	rig->client = bus_rig_connect(rig);
	assert_int_equal(count_free(rig->client), 18);
	sd_bus_message_unref(call(
		rig->client, "RequestScanout", "a{sv}", 1, "scanout", "s", "card2-Virtual-16"));
	bus_rig_write_config(rig, "[Card]\nSeat=none\nDevices=/dev/dri/card2\n");
	bus_rig_stop_daemon(rig);
	bus_rig_start_daemon(rig, "2,0,16");
	assert_int_equal(count_free(rig->client), 16);
}

static void reload(struct bus_rig *rig, const char *config) {
	bus_rig_write_config(rig, config);
	assert_int_equal(kill(rig->daemon, SIGHUP), 0);
	bus_rig_wait_notified(rig, "RELOADING=1");
	bus_rig_wait_notified(rig, "READY=1");
}

static void reloads(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_start_bus(rig, true);
	bus_rig_start_daemon(rig, "3");
	rig->client = bus_rig_connect(rig);
	reload(rig, "[Card]\nSeat=none\n[Scanouts]\nExclude=" V1 "\n");
	wait_for_state(rig->client, V1, "excluded");
	assert_error(rig->client, SCANOUT_ERROR_NOT_ALLOWED, "RequestScanout", "a{sv}", 1,
		"scanout", "s", V1);

	/* A broken one keeps the old, and says so. */
	reload(rig, "[Card]\nSeat=none\n[Scanouts]\nExclude=" V2 "\nBogus=1\n");
	assert_logged(rig,
		"scanoutd.conf:5: [Scanouts] has no key Bogus=; it has Exclude=, DefaultSize=. "
		"The configuration stays as it was");
	wait_for_state(rig->client, V1, "excluded");
	wait_for_state(rig->client, V2, "free");

	reload(rig, "[Card]\nSeat=none\n");
	wait_for_free(rig->client, 3);
}

static char *warnings(sd_bus *bus) {
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	const char *text;
	char *all = strdup("");
	assert_true(sd_bus_get_property(bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_MANAGER_INTERFACE, "Warnings", NULL, &reply, "as") >= 0);
	assert_true(sd_bus_message_enter_container(reply, 'a', "s") > 0);
	while (sd_bus_message_read_basic(reply, 's', &text) > 0) {
		char *more;
		assert_true(asprintf(&more, "%s%s\n", all, text) > 0);
		free(all);
		all = more;
	}
	return all;
}

/* What is set and means nothing here is told at start, on a reload, and who asks: no guest. */
static void warnings_are_told(void **state) {
	static const char *const nine = "Exclude= names card0-Virtual-9, but card0 has no such "
					"output, so that it excludes nothing. 'scanoutctl list' "
					"shows the ids\n";
	struct bus_rig *rig = *state;
	bus_rig_write_config(rig, "[Card]\nSeat=none\n[Scanouts]\nExclude=card0-Virtual-9\n");
	bus_rig_start_bus(rig, true);
	bus_rig_start_daemon(rig, "3");
	assert_logged(rig, nine);
	rig->client = bus_rig_connect(rig);
	AUTO_FREE char *first = warnings(rig->client);
	assert_string_equal(first, nine);
	AUTO_BUS sd_bus *guest = bus_rig_connect_peer(rig, "guest");
	AUTO_FREE char *others = warnings(guest);
	assert_string_equal(others, "");
	reload(rig, "[Card]\nSeat=none\nDevices=/dev/dri/card7\n");
	bus_rig_wait_logged(rig, "Devices= names /dev/dri/card7, which is not there");
	AUTO_FREE char *second = warnings(rig->client);
	assert_non_null(strstr(second, "Devices= names /dev/dri/card7"));
	reload(rig, "[Card]\nSeat=none\n");
	AUTO_FREE char *third = warnings(rig->client);
	assert_string_equal(third, "");
}

/* The host has no memory for a picture. */
static void the_host_is_full(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_start_bus(rig, true);
	setenv("SCANOUTD_FAKE_LOG",
		"3,5,9,-;[drm:virtio_gpu_dequeue_ctrl_func [virtio_gpu]] *ERROR* response 0x1203 "
		"(command 0x105)\n",
		true);
	bus_rig_start_daemon(rig, "3");
	unsetenv("SCANOUTD_FAKE_LOG");
	bus_rig_wait_logged(rig, "Heads may stay black: the host has no memory left for their "
				 "pictures");
	rig->client = bus_rig_connect(rig);
	AUTO_FREE char *told = warnings(rig->client);
	assert_non_null(strstr(told, "max_hostmem=1G"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(arguments),
		TEST(what_a_restart_costs),
		TEST(check_config),
		TEST(cards_that_cannot_be_had),
		TEST(cards_that_are_not_meant),
		TEST(a_seat_that_is_not_there),
		TEST(a_bus_that_refuses_the_name),
		TEST(one_daemon_per_bus),
		TEST(no_card_yet),
		TEST(several_cards),
		TEST(reloads),
		TEST(warnings_are_told),
		TEST(the_host_is_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
