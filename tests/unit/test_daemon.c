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
	assert_logged(rig, "No card with outputs yet; waiting for one");
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
	assert_logged(rig, "scanoutd.conf:5: [Scanouts] has no key Bogus=; it has Exclude=. The "
			   "configuration stays as it was");
	wait_for_state(rig->client, V1, "excluded");
	wait_for_state(rig->client, V2, "free");

	reload(rig, "[Card]\nSeat=none\n");
	wait_for_free(rig->client, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(arguments),
		TEST(check_config),
		TEST(cards_that_cannot_be_had),
		TEST(a_seat_that_is_not_there),
		TEST(a_bus_that_refuses_the_name),
		TEST(one_daemon_per_bus),
		TEST(no_card_yet),
		TEST(several_cards),
		TEST(reloads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
