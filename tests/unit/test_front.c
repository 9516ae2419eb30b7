/* The front between containers and scanoutd: what it lets through, and what its end costs. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus_rig.h"
#include "common/socket.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"

static int handle_reply(sd_bus_message *reply, void *data, sd_bus_error *error) {
	*(sd_bus_message **)data = sd_bus_message_ref(reply);
	return 0;
}

/* Asks, and does not wait for the answer, which comes into *ret_reply. */
static void ask(sd_bus *bus, const char *method, const char *types, const char *id,
	sd_bus_message **ret_reply) {
	AUTO_MESSAGE sd_bus_message *m = NULL;
	*ret_reply = NULL;
	assert_true(sd_bus_message_new_method_call(bus, &m, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_MANAGER_INTERFACE, method) >= 0);
	if (types) {
		assert_true(sd_bus_message_append(m, types, 2, "scanout", "s", id, "timeout", "t",
				    UINT64_C(3600000000)) >= 0);
	}
	assert_true(sd_bus_call_async(bus, NULL, m, handle_reply, ret_reply, UINT64_MAX) >= 0);
	assert_true(sd_bus_flush(bus) >= 0);
}

static int note_owner(sd_bus_message *signal, void *data, sd_bus_error *error) {
	const char *name, *old, *new;
	assert_true(sd_bus_message_read(signal, "sss", &name, &old, &new) > 0);
	assert_string_equal(name, SCANOUT_BUS_NAME);
	*(unsigned *)data += new[0] != '\0';
	return 0;
}

/* A client of a bus, whose call came when scanoutd was away: it hears that it is back. */
static void a_call_waits_for_a_restart(void **state) {
	struct bus_rig *rig = *state;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	char address[256];
	sd_bus *bus = NULL;
	unsigned n_back = 0;
	snprintf(address, sizeof(address), "unix:path=%s/guest", rig->directory);
	rig->client = sd_bus_flush_close_unref(rig->client);
	assert_int_equal(kill(rig->daemon, SIGSTOP), 0);
	assert_true(bus_rig_try_connect(address, true, &bus) >= 0);
	assert_true(sd_bus_match_signal(bus, NULL, NULL, NULL, NULL, "NameOwnerChanged", note_owner,
			    &n_back) >= 0);
	ask(bus, "ListScanouts", NULL, NULL, &reply);
	assert_int_equal(kill(rig->daemon, SIGKILL), 0);
	wait_for_exit(rig->daemon);
	bus_rig_start_daemon(rig, "4");
	process_until(bus, reply && n_back == 1);
	assert_null(sd_bus_message_get_error(reply));
	assert_int_equal(count_free(bus), 4);
	sd_bus_flush_close_unref(bus);
}

/* So does a request that waits in line, also of a client that has not said hello. */
static void a_request_waits_for_a_restart(void **state) {
	struct bus_rig *rig = *state;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
	AUTO_MESSAGE sd_bus_message *lease =
		call(rig->client, "RequestScanout", "a{sv}", 1, "scanout", "s", V1);
	ask(guest, "RequestScanout", "a{sv}", V1, &reply);
	assert_int_equal(count_free(guest), 3);
	assert_null(reply);
	rig->client = sd_bus_flush_close_unref(rig->client);
	bus_rig_stop_daemon(rig); // without systemd the lease ends with it
	bus_rig_start_daemon(rig, "4");
	process_until(guest, reply);
	assert_null(sd_bus_message_get_error(reply));
}

/* Who waits for nothing finds out as ever: its connection ends. */
static void an_idle_client_is_hung_up_on(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
	assert_int_equal(count_free(guest), 4);
	rig->client = sd_bus_flush_close_unref(rig->client);
	bus_rig_stop_daemon(rig);
	process_until(guest, sd_bus_is_open(guest) <= 0);
	bus_rig_start_daemon(rig, "4");
}

static void kill_front(struct bus_rig *rig) {
	pid_t pid = bus_rig_find_front(rig);
	AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(pidfd_send_signal(pidfd, SIGKILL, NULL, 0), 0);
	wait_readable(pidfd, "the front ends");
}

/* Connections end with their front; leases do not, and the next connection has a new front. */
static void a_dead_front_ends_connections_alone(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
	char id[64];
	AUTO_CLOSE int lease = get_lease(guest, id);
	kill_front(rig);
	process_until(guest, sd_bus_is_open(guest) <= 0);
	AUTO_FREE char *now = scanout_property(rig->client, id, "State");
	assert_string_equal(now, "leased");
	AUTO_BUS sd_bus *next = bus_rig_guest(rig);
	sd_bus_message_unref(call(next, "ReleaseScanout", "s", id));
	wait_for_free(rig->client, 4);
}

static bool is_asleep(pid_t pid) {
	char path[64], state = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	AUTO_FCLOSE FILE *stat = fopen(path, "re");
	assert_non_null(stat);
	return fscanf(stat, "%*d (%*[^)]) %c", &state) == 1 && state == 'S';
}

/* Also if it had some that it had not taken yet, and the door has not heard of its end. */
static void a_dead_front_is_handed_nothing(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
	assert_int_equal(count_free(guest), 4);
	assert_int_equal(kill(bus_rig_find_front(rig), SIGSTOP), 0);
	AUTO_CLOSE int lost = bus_rig_guest_socket(rig);
	wait_until(is_asleep(rig->front)); // it has passed that on
	assert_int_equal(kill(rig->front, SIGSTOP), 0);
	AUTO_BUS sd_bus *next = bus_rig_guest(rig);
	kill_front(rig);
	assert_int_equal(kill(rig->front, SIGCONT), 0);
	assert_int_equal(count_free(next), 4);
}

/* A request that waits goes with its front: what becomes free is not for it. */
static void a_waiting_request_dies_with_its_front(void **state) {
	struct bus_rig *rig = *state;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
	sd_bus_message *lease = call(rig->client, "RequestScanout", "a{sv}", 1, "scanout", "s", V1);
	ask(guest, "RequestScanout", "a{sv}", V1, &reply);
	assert_int_equal(count_free(guest), 3); // it waits by then
	unsigned n_fds = count_fds(rig->daemon);
	kill_front(rig);
	wait_until(count_fds(rig->daemon) < n_fds);
	sd_bus_message_unref(lease);
	wait_for_free(rig->client, 4);
}

/* fds in what is no call, or not a whole one, or not for scanoutd, get no farther than the front.
 */
static void no_fd_of_a_guest_reaches_scanoutd(void **state) {
	static const char handshake[] = "\0AUTH ANONYMOUS 61\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
	static const char start[] = "l\1\0\1\0\0\4\0\7\0\0\0\0\1\0\0";
	struct bus_rig *rig = *state;
	AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
	assert_int_equal(count_free(guest), 4);
	pid_t front = bus_rig_find_front(rig);
	unsigned n_root = count_fds(rig->daemon), n_front = count_fds(front);
	int fd = bus_rig_guest_socket(rig);
	assert_int_equal(send(fd, handshake, sizeof(handshake) - 1, 0), sizeof(handshake) - 1);
	/* It answers before it takes fds. */
	char answer[256] = "";
	for (size_t n = 0; !strstr(answer, "AGREE_UNIX_FD\r\n");) {
		wait_readable(fd, "the handshake is answered");
		ssize_t size = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
		assert_true(size > 0);
		n += (size_t)size;
	}
	assert_int_equal(send(fd, start, sizeof(start) - 1, 0), sizeof(start) - 1);
	for (int i = 0; i < 40; i++) {
		wait_until(socket_pass(fd, (const int[]){0, 1}, 2) == 0);
	}
	wait_until(count_fds(front) >= n_front + 80);
	assert_true(count_fds(rig->daemon) <= n_root);
	assert_error(guest, SCANOUT_ERROR_NOT_ALLOWED, "ReleaseScanout", "h", 0);
	assert_error(
		guest, SCANOUT_ERROR_NOT_ALLOWED, "RequestScanout", "a{sv}", 1, "x", "ah", 1, 0);
	assert_error(guest, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1, "x",
		"a(sv)", 1, "y", "ay", 1, 7);
	close(fd);
	wait_until(count_fds(front) == n_front);
}

/* What is too large to mean anything is refused by the front; so are more calls than it keeps. */
static void large_calls_and_many_end_at_the_front(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
	sd_bus_message *replies[100];
	char name[5000];
	unsigned n_refused = 0, n = 0;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_error(guest, "System.Error.EMSGSIZE", "ReleaseScanout", "s", name);
	name[4000] = '\0';
	assert_error(guest, SCANOUT_ERROR_NO_SUCH, "ReleaseScanout", "s", name);
	assert_int_equal(kill(rig->daemon, SIGSTOP), 0);
	for (size_t i = 0; i < N_ELEMENTS(replies); i++) {
		ask(guest, "ListScanouts", NULL, NULL, &replies[i]);
	}
	process_until(guest, replies[N_ELEMENTS(replies) - 1]);
	assert_int_equal(kill(rig->daemon, SIGCONT), 0);
	process_until(guest, replies[0] && replies[63]);
	for (size_t i = 0; i < N_ELEMENTS(replies); i++) {
		n_refused += replies[i] && sd_bus_message_is_method_error(
						   replies[i], SD_BUS_ERROR_LIMITS_EXCEEDED);
		n += replies[i] != NULL;
		sd_bus_message_unref(replies[i]);
	}
	assert_int_equal(n_refused, 100 - 64);
	assert_int_equal(n, 100);
}

static int serve_guest(sd_bus *agent, int connection, int pidfd, sd_bus_error *error) {
	return sd_bus_call_method(agent, NULL, SCANOUT_BUS_PATH, SCANOUT_AGENT_INTERFACE,
		"ServeGuest", error, NULL, "hh", connection, pidfd);
}

/* What it shows has to be a connection, and a pidfd of the process that made it. Whoever is not let
 * in has no agent's rights left either. */
static void a_front_cannot_name_another(void **state) {
	struct bus_rig *rig = *state;
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	AUTO_CLOSE int ours = pidfd_open(getpid(), 0), others = pidfd_open(getppid(), 0);
	const int wrong[][2] = {{ends[0], others}, {ends[0], 0}, {0, ours}, {ours, ours}};
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
		AUTO_BUS sd_bus *agent = bus_rig_connect_peer(rig, "agent");
		assert_true(serve_guest(agent, wrong[i][0], wrong[i][1], &error) < 0);
		assert_string_equal(error.name, SCANOUT_ERROR_NOT_ALLOWED);
		process_until(agent, sd_bus_is_open(agent) <= 0);
	}
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL, garbled = SD_BUS_ERROR_NULL;
	AUTO_BUS sd_bus *garbler = bus_rig_connect_peer(rig, "agent");
	assert_true(sd_bus_call_method(garbler, NULL, SCANOUT_BUS_PATH, SCANOUT_AGENT_INTERFACE,
			    "ServeGuest", &garbled, NULL, "s", "nobody") < 0);
	assert_string_equal(garbled.name, SCANOUT_ERROR_NOT_ALLOWED);
	process_until(garbler, sd_bus_is_open(garbler) <= 0);
	AUTO_BUS sd_bus *agent = bus_rig_connect_peer(rig, "agent");
	assert_true(serve_guest(agent, ends[0], ours, &error) >= 0);
	/* From here on it is a guest's. */
	assert_error(agent, SCANOUT_ERROR_NOT_ALLOWED, "RequestScanout", "a{sv}", 1, "for", "h",
		ends[1]);
	assert_true(serve_guest(agent, ends[0], ours, &error) < 0);
	close(ends[0]);
	close(ends[1]);
}

/* The bus has no such method, and the guest socket none that works. */
static void nobody_else_serves_guests(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
	AUTO_BUS_ERROR sd_bus_error first = SD_BUS_ERROR_NULL, second = SD_BUS_ERROR_NULL;
	assert_true(serve_guest(guest, 0, 0, &first) < 0);
	assert_string_equal(first.name, SCANOUT_ERROR_NOT_ALLOWED);
	assert_true(sd_bus_call_method(rig->client, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_AGENT_INTERFACE, "ServeGuest", &second, NULL, "hh", 0, 0) < 0);
	assert_string_equal(second.name, "org.freedesktop.DBus.Error.UnknownMethod");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_rig_setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_call_waits_for_a_restart),
		TEST(a_request_waits_for_a_restart),
		TEST(an_idle_client_is_hung_up_on),
		TEST(a_dead_front_ends_connections_alone),
		TEST(a_dead_front_is_handed_nothing),
		TEST(a_waiting_request_dies_with_its_front),
		TEST(no_fd_of_a_guest_reaches_scanoutd),
		TEST(large_calls_and_many_end_at_the_front),
		TEST(a_front_cannot_name_another),
		TEST(nobody_else_serves_guests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
