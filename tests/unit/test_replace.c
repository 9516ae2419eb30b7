/* scanoutd --replace: real daemons, started by hand, on a private bus. The fake card of one process
 * knows nothing of another's leases; those are in test_handover.c and in the VM. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus_rig.h"

#define V1 "card0-Virtual-1"

static int setup(void **state) {
	struct bus_rig *rig = bus_rig_new();
	rig->by_hand = true;
	bus_rig_start_bus(rig, true);
	*state = rig;
	return 0;
}

/* Waits for what a daemon writes, and forgets it, so that the next one is waited for as well. */
static void wait_said(struct bus_rig *rig, const char *text) {
	bus_rig_wait_logged(rig, text);
	assert_int_equal(truncate(rig->log, 0), 0);
}

static void start(struct bus_rig *rig, const char *cards, const char *argument) {
	rig->daemon = bus_rig_spawn(rig, cards, argument);
	wait_said(rig, "Ready: ");
}

/* The bus's own word for who has the name. */
static pid_t owner(sd_bus *bus) {
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	uint32_t pid = 0;
	if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
		    "org.freedesktop.DBus", "GetConnectionUnixProcessID", NULL, &reply, "s",
		    SCANOUT_BUS_NAME) >= 0) {
		assert_true(sd_bus_message_read(reply, "u", &pid) > 0);
	}
	return (pid_t)pid;
}

/* A daemon that is replaced ends with 0, and the next one is there. */
static void replace(struct bus_rig *rig) {
	pid_t before = rig->daemon;
	start(rig, "4", "--replace");
	int status = wait_for_exit(before);
	assert_int_equal(status, 0);
	assert_int_equal(owner(rig->client), rig->daemon);
}

struct changes {
	unsigned n, n_gaps;
};

static int on_owner_changed(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct changes *changes = data;
	const char *name, *before, *after;
	assert_true(sd_bus_message_read(message, "sss", &name, &before, &after) > 0);
	changes->n++;
	changes->n_gaps += before[0] == '\0' || after[0] == '\0';
	return 0;
}

/* Many times in a row: the name goes from one to the next, without a moment in which nobody has
 * it and a call would start another daemon or fail. */
static void many_times(void **state) {
	struct bus_rig *rig = *state;
	struct changes changes = {0};
	start(rig, "4", NULL);
	rig->client = bus_rig_connect(rig);
	assert_true(sd_bus_add_match(rig->client, NULL,
			    "type='signal',sender='org.freedesktop.DBus',"
			    "member='NameOwnerChanged',arg0='" SCANOUT_BUS_NAME "'",
			    on_owner_changed, &changes) >= 0);
	for (unsigned i = 1; i <= 10; i++) {
		replace(rig);
		process_until(rig->client, changes.n == i);
		assert_int_equal(count_free(rig->client), 4);
	}
	assert_int_equal(changes.n_gaps, 0);
}

static int connect_guest(const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The guest socket is the same one: who connects at the wrong moment waits. */
static void guests_wait(void **state) {
	struct bus_rig *rig = *state;
	char path[128], config[256];
	struct stat before, after;
	snprintf(path, sizeof(path), "%s/guest/bus", rig->directory);
	snprintf(config, sizeof(config), "[Card]\nSeat=none\n[Guest]\nSocket=%s\n", path);
	bus_rig_write_config(rig, config);
	start(rig, "4", NULL);
	rig->client = bus_rig_connect(rig);
	assert_int_equal(stat(path, &before), 0);

	/* One that does not get ready: the running one has stopped to accept. */
	pid_t held = bus_rig_spawn(rig, "held", "--replace");
	wait_said(rig, "Handing over to scanoutd");
	/* It gets no further than this, which must not hold anybody up. */
	AUTO_CLOSE int guest = connect_guest(path);
	assert_int_equal(send(guest, "\0AUTH EXTERNAL\r\nDATA\r\n", 23, 0), 23);
	assert_int_equal(count_free(rig->client), 4); // the daemon had a round since
	struct pollfd p = {.fd = guest, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(kill(held, SIGKILL), 0);
	wait_for_exit(held);
	assert_int_equal(poll(&p, 1, 20000), 1); // it is served after all

	for (unsigned i = 0; i < 10; i++) { // more often than there is room for sockets
		replace(rig);
	}
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	AUTO_CLOSE int later = connect_guest(path);
	assert_int_equal(send(later, "\0AUTH EXTERNAL\r\nDATA\r\n", 23, 0), 23);
	p = (struct pollfd){.fd = later, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 20000), 1);
	bus_rig_stop_daemon(rig);
	assert_int_equal(stat(path, &after), -1); // removed by the last one
	snprintf(path, sizeof(path), "%s/control", rig->directory);
	assert_int_equal(stat(path, &after), -1);
}

/* One that cannot listen for guests leaves everything as it was. */
static void a_socket_that_cannot_be_made(void **state) {
	struct bus_rig *rig = *state;
	char path[128], config[256];
	snprintf(path, sizeof(path), "%s/guest/bus", rig->directory);
	snprintf(config, sizeof(config), "[Card]\nSeat=none\n[Guest]\nSocket=%s\n", path);
	bus_rig_write_config(rig, config);
	start(rig, "4", NULL);
	rig->client = bus_rig_connect(rig);
	bus_rig_write_config(rig, "[Card]\nSeat=none\n[Guest]\nSocket=/dev/null/guest/bus\n");
	assert_int_equal(wait_for_exit(bus_rig_spawn(rig, "4", "--replace")), 1 << 8);
	wait_said(rig, "This one goes on");
	assert_int_equal(owner(rig->client), rig->daemon);
	close(connect_guest(path));

	/* Nor does one that ends after it could. */
	bus_rig_write_config(rig, config);
	assert_int_equal(wait_for_exit(bus_rig_spawn(rig, "held", "--replace")), 75 << 8);
	wait_said(rig, "This one goes on");
	close(connect_guest(path));
}

/* Killed, or ended by itself, at the critical moment: the running one goes on. */
static void the_other_dies(void **state) {
	struct bus_rig *rig = *state;
	start(rig, "4", NULL);
	rig->client = bus_rig_connect(rig);
	for (unsigned i = 0; i < 3; i++) {
		pid_t held = bus_rig_spawn(rig, "held", "--replace");
		wait_said(rig, "Handing over to scanoutd");
		assert_error(rig->client, SCANOUT_ERROR_DEVICE_BUSY, "ReleaseScanout", "s", V1);
		assert_int_equal(kill(held, SIGKILL), 0);
		wait_for_exit(held);
		wait_said(rig, "This one goes on");
		sd_bus_message_unref(call(rig->client, "RequestScanout", "a{sv}", 0));
		wait_for_free(rig->client, 4); // the lease ended with the reply
	}
	assert_int_equal(owner(rig->client), rig->daemon);
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *error) {
	char **ret_error = data;
	const sd_bus_error *e = sd_bus_message_get_error(reply);
	*ret_error = strdup(e ? e->name : "");
	return 0;
}

static void request(sd_bus *bus, uint64_t timeout, char **ret_error) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	assert_true(sd_bus_message_new_method_call(bus, &message, SCANOUT_BUS_NAME,
			    SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE, "RequestScanout") >= 0);
	assert_true(sd_bus_message_append(message, "a{sv}", 1, "timeout", "t", timeout) >= 0);
	assert_true(sd_bus_call_async(bus, NULL, message, on_reply, ret_error, PATIENCE_USEC) >= 0);
	assert_true(sd_bus_flush(bus) >= 0);
}

/* Who waits for a scanout is told to ask again, by name. Who asks at the critical moment waits, and
 * gets it if the running one goes on. */
static void who_waits_is_told(void **state) {
	struct bus_rig *rig = *state;
	AUTO_FREE char *waiting = NULL;
	AUTO_FREE char *asking = NULL;
	start(rig, "1", NULL);
	rig->client = bus_rig_connect(rig);
	pid_t held = bus_rig_spawn(rig, "held", "--replace");
	wait_said(rig, "Handing over to scanoutd");
	request(rig->client, 0, &asking);
	assert_int_equal(count_free(rig->client), 1);
	assert_null(asking);
	assert_int_equal(kill(held, SIGKILL), 0);
	wait_for_exit(held);
	process_until(rig->client, asking);
	assert_string_equal(asking, "");
	wait_for_free(rig->client, 1); // the lease ended with the reply
	wait_said(rig, "This one goes on");

	AUTO_CLOSE int lease = get_lease(rig->client, NULL);
	request(rig->client, 60000000, &waiting);
	assert_int_equal(count_free(rig->client), 0);
	assert_null(waiting);
	replace(rig);
	process_until(rig->client, waiting);
	assert_string_equal(waiting, SCANOUT_ERROR_DEVICE_GONE);
}

/* Two at once: one is refused, and the running one goes on with the other. */
static void two_at_once(void **state) {
	struct bus_rig *rig = *state;
	char expected[128];
	start(rig, "4", NULL);
	rig->client = bus_rig_connect(rig);
	pid_t held = bus_rig_spawn(rig, "held", "--replace");
	wait_said(rig, "Handing over to scanoutd");
	pid_t second = bus_rig_spawn(rig, "4", "--replace");
	assert_int_equal(wait_for_exit(second), 75 << 8);
	snprintf(expected, sizeof(expected),
		"The running scanoutd goes on: Process %d is replacing it already", (int)held);
	assert_logged(rig, expected);
	assert_int_equal(kill(held, SIGKILL), 0);
	wait_for_exit(held);
	wait_said(rig, "This one goes on");
	replace(rig);
}

/* A modeset lock that is not given back: the new one gives up, the running one goes on. */
static void a_held_lock(void **state) {
	struct bus_rig *rig = *state;
	start(rig, "4", NULL);
	rig->client = bus_rig_connect(rig);
	pid_t held = bus_rig_spawn(rig, "held", "--replace");
	assert_int_equal(wait_for_exit(held), 75 << 8);
	assert_logged(rig, "/dev/dri/card0: Cannot be taken over while a process holds a modeset "
			   "lock. The running scanoutd goes on");
	wait_said(rig, "This one goes on");
	assert_int_equal(owner(rig->client), rig->daemon);
	sd_bus_message_unref(call(rig->client, "RequestScanout", "a{sv}", 0));
	wait_for_free(rig->client, 4);
}

/* The running one ends at the critical moment: the other has everything, and goes on. */
static void the_running_one_dies(void **state) {
	struct bus_rig *rig = *state;
	static const int signals[] = {SIGKILL, SIGTERM};
	char gate[128];
	snprintf(gate, sizeof(gate), "%s/gate", rig->directory);
	assert_int_equal(mkfifo(gate, 0600), 0);
	for (size_t i = 0; i < N_ELEMENTS(signals); i++) {
		start(rig, "4", NULL);
		pid_t first = rig->daemon;
		rig->daemon = bus_rig_spawn(rig, "held", "--replace");
		wait_said(rig, "Handing over to scanoutd");
		assert_int_equal(kill(first, signals[i]), 0);
		wait_for_exit(first);
		close(open(gate, O_WRONLY | O_CLOEXEC)); // the lock is given back
		wait_said(rig, "Ready: ");
		rig->client = bus_rig_connect(rig);
		assert_int_equal(count_free(rig->client), 4);
		replace(rig); // its socket is where the next one looks
		bus_rig_stop_daemon(rig);
		rig->client = sd_bus_flush_close_unref(rig->client);
	}
}

/* Under systemd the running one is the service, which systemd restarts. */
static void a_service_is_not_replaced(void **state) {
	struct bus_rig *rig = *state;
	rig->by_hand = false;
	bus_rig_start_daemon(rig, "4");
	pid_t other = bus_rig_spawn(rig, "4", "--replace");
	assert_int_equal(wait_for_exit(other), 75 << 8);
	assert_logged(rig, "The running scanoutd goes on: It is a service, which has its own way: "
			   "'systemctl restart ");
	rig->client = bus_rig_connect(rig);
	assert_int_equal(count_free(rig->client), 4);
}

/* The other way round works: the service takes over from one that was started by hand, and gives
 * the card to systemd's store. */
static void a_service_replaces(void **state) {
	struct bus_rig *rig = *state;
	start(rig, "4", NULL);
	pid_t before = rig->daemon;
	rig->by_hand = false;
	rig->daemon = bus_rig_spawn(rig, "4", "--replace");
	bus_rig_wait_notified(rig, "FDSTORE=1\nFDNAME=card.");
	bus_rig_wait_notified(rig, "READY=1");
	assert_int_equal(wait_for_exit(before), 0);
}

/* Nobody to replace: it starts, and says so. One too old to be asked has the card: refused. */
static void nobody_to_ask(void **state) {
	struct bus_rig *rig = *state;
	rig->daemon = bus_rig_spawn(rig, "4", "--replace");
	bus_rig_wait_logged(rig, "/control: starting without replacing one");
	bus_rig_wait_logged(rig, "Ready: ");
	bus_rig_stop_daemon(rig);
	assert_int_equal(bus_rig_run(rig, "busy", "--replace"), 75);
	assert_logged(rig,
		"If that is a scanoutd, it is too old for --replace: stop it, which ends "
		"its leases");
}

/* Without systemd nothing keeps the card, and the daemon says what that means. */
static void what_a_restart_costs(void **state) {
	struct bus_rig *rig = *state;
	rig->daemon = bus_rig_spawn(rig, "4", NULL);
	bus_rig_wait_logged(rig, "Start the next scanoutd with --replace, and they go on");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(many_times),
		TEST(guests_wait),
		TEST(a_socket_that_cannot_be_made),
		TEST(the_other_dies),
		TEST(who_waits_is_told),
		TEST(two_at_once),
		TEST(a_held_lock),
		TEST(the_running_one_dies),
		TEST(a_service_is_not_replaced),
		TEST(a_service_replaces),
		TEST(nobody_to_ask),
		TEST(what_a_restart_costs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
