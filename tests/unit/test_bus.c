/* The daemon's life on the bus: signals, clients that vanish, a bus that does. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus_rig.h"

#define V1 "card0-Virtual-1"

#define SECOND UINT64_C(1000000)

/* What a client heard. */
struct heard {
	unsigned n_leased, n_ended, n_free, n_state;
	char reason[32], path[256], state[32];
	uint32_t free;
};

static int on_leased(sd_bus_message *m, void *data, sd_bus_error *error) {
	struct heard *heard = data;
	const char *path, *id = NULL;
	assert_true(sd_bus_message_has_signature(m, "oa{sv}"));
	assert_true(sd_bus_message_read(m, "o", &path) > 0);
	assert_true(dict_find(m, "id", 's', &id));
	snprintf(heard->path, sizeof(heard->path), "%s", path);
	heard->n_leased++;
	return 0;
}

static int on_ended(sd_bus_message *m, void *data, sd_bus_error *error) {
	struct heard *heard = data;
	const char *path, *reason;
	assert_true(sd_bus_message_read(m, "os", &path, &reason) > 0);
	snprintf(heard->reason, sizeof(heard->reason), "%s", reason);
	heard->n_ended++;
	return 0;
}

static int on_properties(sd_bus_message *m, void *data, sd_bus_error *error) {
	struct heard *heard = data;
	const char *interface, *state = NULL;
	assert_true(sd_bus_message_read(m, "s", &interface) > 0);
	if (strcmp(interface, SCANOUT_MANAGER_INTERFACE) == 0) {
		assert_true(dict_find(m, "Free", 'u', &heard->free));
		heard->n_free++;
	} else if (strcmp(interface, SCANOUT_SCANOUT_INTERFACE) == 0) {
		assert_true(dict_find(m, "State", 's', &state));
		snprintf(heard->state, sizeof(heard->state), "%s", state);
		heard->n_state++;
	}
	return 0;
}

static sd_bus *listen_to(struct bus_rig *rig, struct heard *heard) {
	sd_bus *bus = bus_rig_connect(rig);
	assert_true(sd_bus_match_signal(bus, NULL, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_MANAGER_INTERFACE, "ScanoutLeased", on_leased, heard) >= 0);
	assert_true(sd_bus_match_signal(bus, NULL, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_MANAGER_INTERFACE, "ScanoutEnded", on_ended, heard) >= 0);
	assert_true(sd_bus_match_signal(bus, NULL, SCANOUT_BUS_NAME, NULL,
			    "org.freedesktop.DBus.Properties", "PropertiesChanged", on_properties,
			    heard) >= 0);
	return bus;
}

static void changes_are_announced(void **state) {
	struct bus_rig *rig = *state;
	struct heard heard = {0};
	AUTO_BUS sd_bus *listener = listen_to(rig, &heard);
	AUTO_FREE char *path = scanout_path(V1);
	char id[64];
	int fd = get_lease(rig->client, id);
	/* The counts of the start may be heard before those of the lease. */
	process_until(listener, heard.n_leased == 1 && heard.n_state > 0 && heard.free == 3);
	assert_string_equal(heard.state, "leased");
	close(fd);
	process_until(listener, heard.n_ended == 1);
	assert_string_equal(heard.reason, "closed");
	process_until(listener, strcmp(heard.state, "free") == 0 && heard.free == 4);

	fd = get_lease(rig->client, id);
	sd_bus_message_unref(call(rig->client, "ReleaseScanout", "s", id));
	process_until(listener, heard.n_ended == 2);
	assert_string_equal(heard.reason, "released");
	close(fd);
	assert_int_equal(heard.n_leased, 2);
}

static int on_reply(sd_bus_message *m, void *data, sd_bus_error *error) {
	char *name = data; // of 128 bytes, or NULL
	if (name) {
		const sd_bus_error *refused = sd_bus_message_get_error(m);
		snprintf(name, 128, "%s", refused ? refused->name : "granted");
	}
	return 1;
}

/* Sends a RequestScanout without waiting; the outcome is written when it is there. */
static void send_request(sd_bus *bus, uint64_t timeout, char *ret_error) {
	AUTO_MESSAGE sd_bus_message *m = NULL;
	assert_true(sd_bus_message_new_method_call(bus, &m, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_MANAGER_INTERFACE, "RequestScanout") >= 0);
	assert_true(sd_bus_message_append(m, "a{sv}", 1, "timeout", "t", timeout) >= 0);
	assert_true(sd_bus_call_async(bus, NULL, m, on_reply, ret_error, 0) >= 0);
	assert_true(sd_bus_flush(bus) >= 0);
}

static void a_client_vanishes_at_once(void **state) {
	struct bus_rig *rig = *state;
	for (int i = 0; i < 50; i++) {
		sd_bus *ghost = bus_rig_connect(rig);
		send_request(ghost, 0, NULL);
		sd_bus_close_unref(ghost);
	}
	wait_for_free(rig->client, 4);
}

/* It was granted, but the answer with the fd is never read. */
static void a_client_vanishes_before_it_reads_the_answer(void **state) {
	struct bus_rig *rig = *state;
	sd_bus *ghost = bus_rig_connect(rig);
	send_request(ghost, 0, NULL);
	wait_for_free(rig->client, 3);
	sd_bus_close_unref(ghost);
	wait_for_free(rig->client, 4);
}

static void a_client_vanishes_while_it_waits(void **state) {
	struct bus_rig *rig = *state;
	int fds[4];
	for (int i = 0; i < 4; i++) {
		fds[i] = get_lease(rig->client, NULL);
	}
	sd_bus *ghost = bus_rig_connect(rig);
	send_request(ghost, 60 * SECOND, NULL);
	AUTO_BUS sd_bus *patient = bus_rig_connect(rig);
	send_request(patient, 60 * SECOND, NULL);
	sd_bus_close_unref(ghost);
	close(fds[0]);
	/* The one behind the ghost gets it. */
	process_until(patient, count_free(rig->client) == 0);
	for (int i = 1; i < 4; i++) {
		close(fds[i]);
	}
	wait_for_free(rig->client, 3);
	patient = sd_bus_flush_close_unref(patient);
	wait_for_free(rig->client, 4);
}

/* Entrypoint asks, hands the fd on and exits: the lease is not tied to the connection. */
static void the_lease_outlives_the_connection(void **state) {
	struct bus_rig *rig = *state;
	char id[64];
	sd_bus *entrypoint = bus_rig_connect(rig);
	int fd = get_lease(entrypoint, id);
	sd_bus_flush_close_unref(entrypoint);
	for (int i = 0; i < 20; i++) {
		sd_bus_message_unref(call(rig->client, "ListScanouts", NULL));
	}
	wait_for_state(rig->client, id, "leased");
	/* The same holder, another connection. */
	sd_bus_message_unref(call(rig->client, "ReleaseScanout", "s", id));
	close(fd);
}

static void cycles_leave_nothing_open(void **state) {
	struct bus_rig *rig = *state;
	close(get_lease(rig->client, NULL)); // whatever is opened once
	wait_for_free(rig->client, 4);
	unsigned n_fds = count_fds(rig->daemon), n_bus = count_fds(rig->bus);
	for (int i = 0; i < 1000; i++) {
		AUTO_MESSAGE sd_bus_message *reply = call(rig->client, "RequestScanout", "a{sv}", 2,
			"timeout", "t", 60 * SECOND, "spare", "b", i % 2);
	}
	wait_for_free(rig->client, 4);
	assert_int_equal(count_fds(rig->daemon), n_fds);
	assert_int_equal(count_fds(rig->bus), n_bus);
}

static void the_bus_goes_and_comes_back(void **state) {
	struct bus_rig *rig = *state;
	char id[64];
	int fd = get_lease(rig->client, id);
	for (int i = 0; i < 3; i++) {
		rig->client = sd_bus_flush_close_unref(rig->client);
		bus_rig_kill_bus(rig);
		bus_rig_start_bus(rig, true);
		bus_rig_wait_notified(rig, "READY=1");
		rig->client = bus_rig_connect(rig);
		wait_for_state(rig->client, id, "leased");
		assert_int_equal(count_free(rig->client), 3);
	}
	close(fd);
	wait_for_state(rig->client, id, "free");
}

/* Leases end while there is no bus; who waited is gone with it. */
static void life_goes_on_without_a_bus(void **state) {
	struct bus_rig *rig = *state;
	int fds[4];
	for (int i = 0; i < 4; i++) {
		fds[i] = get_lease(rig->client, NULL);
	}
	sd_bus *ghost = bus_rig_connect(rig);
	send_request(ghost, 60 * SECOND, NULL);
	for (int i = 0; i < 20; i++) {
		sd_bus_message_unref(call(rig->client, "ListScanouts", NULL));
	}
	rig->client = sd_bus_flush_close_unref(rig->client);
	bus_rig_kill_bus(rig);
	sd_bus_close_unref(ghost);
	for (int i = 0; i < 4; i++) {
		close(fds[i]);
	}
	bus_rig_start_bus(rig, true);
	bus_rig_wait_notified(rig, "READY=1");
	rig->client = bus_rig_connect(rig);
	wait_for_free(rig->client, 4);
}

/* In the place of the bus is something that no client can speak to, until the bus is back. */
static void the_bus_cannot_be_reached_for_a_while(void **state) {
	struct bus_rig *rig = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char id[64];
	AUTO_CLOSE int lease = get_lease(rig->client, id);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/bus", rig->directory);
	assert_int_equal(unlink(address.sun_path), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	rig->client = sd_bus_flush_close_unref(rig->client);
	bus_rig_kill_bus(rig);
	bus_rig_wait_logged(rig, "not back yet");
	assert_int_equal(unlink(address.sun_path), 0);
	bus_rig_start_bus(rig, true);
	bus_rig_wait_notified(rig, "READY=1");
	rig->client = bus_rig_connect(rig);
	wait_for_state(rig->client, id, "leased");
}

static void the_daemon_is_there_before_the_bus(void **state) {
	struct bus_rig *rig = bus_rig_new();
	rig->clock = "real";
	rig->daemon = bus_rig_spawn(rig, "2", NULL);
	bus_rig_start_bus(rig, true);
	bus_rig_wait_notified(rig, "READY=1");
	rig->client = bus_rig_connect(rig);
	assert_int_equal(count_free(rig->client), 2);
	bus_rig_destroy(rig);
}

/* The bus dies with the daemon's calls unanswered: it waits for the next bus. */
static void the_bus_dies_before_the_name_is_taken(void **state) {
	struct bus_rig *rig = bus_rig_new();
	rig->clock = "real";
	bus_rig_start_bus(rig, true);
	assert_int_equal(kill(rig->bus, SIGSTOP), 0);
	rig->daemon = bus_rig_spawn(rig, "2", NULL);
	bus_rig_wait_logged(rig, "2 scanouts");
	bus_rig_kill_bus(rig);
	bus_rig_start_bus(rig, true);
	bus_rig_wait_notified(rig, "READY=1");
	bus_rig_destroy(rig);
}

/* Returns when the bus has passed on what was sent before. */
static void pass_the_bus(sd_bus *bus) {
	for (int i = 0; i < 2; i++) {
		assert_true(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				    "org.freedesktop.DBus", "GetId", NULL, NULL, NULL) >= 0);
	}
}

/* Asks while the bus does not answer the daemon, which wants to know who that is. */
static void ask_at_a_stopped_bus(struct bus_rig *rig, sd_bus *asker, char *ret_outcome) {
	assert_int_equal(kill(rig->daemon, SIGSTOP), 0);
	send_request(asker, 0, ret_outcome);
	pass_the_bus(asker);
	assert_int_equal(kill(rig->bus, SIGSTOP), 0);
	assert_int_equal(kill(rig->daemon, SIGCONT), 0);
}

/* That of a busy machine answers late. */
static void a_slow_bus_is_waited_for(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS sd_bus *asker = bus_rig_connect(rig);
	char outcome[128] = "";
	ask_at_a_stopped_bus(rig, asker, outcome);
	poll(NULL, 0, 3000);
	assert_int_equal(kill(rig->bus, SIGCONT), 0);
	process_until(asker, outcome[0] != '\0');
	assert_string_equal(outcome, "granted");
}

/* One that does not answer at all: the caller may try again. */
static void a_silent_bus_is_told(void **state) {
	struct bus_rig *rig = *state;
	bus_rig_change_clock(rig, "hurried");
	AUTO_BUS sd_bus *asker = bus_rig_connect(rig);
	char outcome[128] = "";
	ask_at_a_stopped_bus(rig, asker, outcome);
	bus_rig_wait_logged(rig, SCANOUT_ERROR_DEVICE_BUSY
		": scanoutd cannot find out who you are: the bus does not answer");
	assert_int_equal(kill(rig->bus, SIGCONT), 0);
	process_until(asker, outcome[0] != '\0');
	assert_string_equal(outcome, SCANOUT_ERROR_DEVICE_BUSY);
}

static void stopping_answers_who_waits(void **state) {
	struct bus_rig *rig = *state;
	AUTO_CLOSE int fd0 = get_lease(rig->client, NULL), fd1 = get_lease(rig->client, NULL);
	AUTO_CLOSE int fd2 = get_lease(rig->client, NULL), fd3 = get_lease(rig->client, NULL);
	AUTO_BUS sd_bus *waiter = bus_rig_connect(rig);
	char error[128] = "";
	send_request(waiter, 60 * SECOND, error);
	for (int i = 0; i < 20; i++) {
		sd_bus_message_unref(call(rig->client, "ListScanouts", NULL));
	}
	bus_rig_stop_daemon(rig);
	process_until(waiter, error[0] != '\0');
	assert_string_equal(error, SCANOUT_ERROR_DEVICE_GONE);
}

static void signals_end_the_daemon_well(void **state) {
	struct bus_rig *rig = *state;
	AUTO_CLOSE int fd = get_lease(rig->client, NULL);
	pid_t pid = rig->daemon;
	rig->daemon = 0;
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(wait_for_exit(pid), 0);
	/* And it starts again at once. */
	bus_rig_start_daemon(rig, "4");
	assert_int_equal(count_free(rig->client), 4);
}

/* A bus that is gone is looked for from time to time. */
static int setup(void **state) {
	bus_rig_setup(state);
	bus_rig_change_clock(*state, "real");
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(changes_are_announced),
		TEST(a_client_vanishes_at_once),
		TEST(a_client_vanishes_before_it_reads_the_answer),
		TEST(a_client_vanishes_while_it_waits),
		TEST(the_lease_outlives_the_connection),
		TEST(cycles_leave_nothing_open),
		TEST(the_bus_goes_and_comes_back),
		TEST(life_goes_on_without_a_bus),
		TEST(the_bus_cannot_be_reached_for_a_while),
		cmocka_unit_test(the_daemon_is_there_before_the_bus),
		cmocka_unit_test(the_bus_dies_before_the_name_is_taken),
		TEST(a_slow_bus_is_waited_for),
		TEST(a_silent_bus_is_told),
		TEST(stopping_answers_who_waits),
		TEST(signals_end_the_daemon_well),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
