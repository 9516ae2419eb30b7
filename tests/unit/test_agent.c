/* Agents: who asks on behalf of others, and who may not. */
#include "support.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus_rig.h"
#include "common/socket.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"

/* A process that has connected to us, as a compositor does to its seat. */
struct client {
	pid_t pid;
	int fd; // our end
};

static struct client client_start(struct bus_rig *rig) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct client client;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/seat", rig->directory);
	int listener = socket_listen(address.sun_path, 0666);
	assert_true(listener >= 0);
	client.pid = fork();
	if (client.pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			pause();
		}
		_exit(1);
	}
	wait_readable(listener, "the client connects"); // accept() does not block by itself
	client.fd = accept(listener, NULL, NULL);
	assert_true(client.fd >= 0);
	close(listener);
	return client;
}

static void client_end(struct client *client) {
	kill(client->pid, SIGKILL);
	wait_for_exit(client->pid);
	close(client->fd);
}

static uint32_t holder_pid(sd_bus *bus, const char *id) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_FREE char *path = scanout_path(id);
	uint32_t pid = 0;
	assert_true(sd_bus_get_property(bus, SCANOUT_BUS_NAME, path, SCANOUT_SCANOUT_INTERFACE,
			    "Holder", &error, &reply, "a{sv}") >= 0);
	assert_true(dict_find(reply, "pid", 'u', &pid));
	return pid;
}

/* The holder is the client, not the agent; the agent hears of the lease and gives it back. */
static void the_client_is_the_holder(void **state) {
	struct bus_rig *rig = *state;
	struct client client = client_start(rig);
	AUTO_BUS sd_bus *agent = bus_rig_connect_peer(rig, "agent");
	AUTO_MESSAGE sd_bus_message *lease = call(
		agent, "RequestScanout", "a{sv}", 2, "scanout", "s", V1, "for", "h", client.fd);
	assert_int_equal(holder_pid(rig->client, V1), client.pid);
	assert_int_equal(holder_pid(agent, V1), client.pid);
	sd_bus_message_unref(call(agent, "ReleaseScanout", "s", V1));
	bus_rig_wait_logged(rig, "released");
	wait_for_state(rig->client, V1, "free");
	client_end(&client);
}

/* Without 'for' it asks for itself. */
static void an_agent_may_be_a_holder(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS sd_bus *agent = bus_rig_connect_peer(rig, "agent");
	AUTO_MESSAGE sd_bus_message *lease =
		call(agent, "RequestScanout", "a{sv}", 1, "scanout", "s", V1);
	assert_int_equal(holder_pid(rig->client, V1), getpid());
}

/* Nobody but an agent names another: no guest, and nobody on the bus, not even an admin. */
static void others_ask_for_themselves(void **state) {
	struct bus_rig *rig = *state;
	struct client client = client_start(rig);
	AUTO_BUS sd_bus *guest = bus_rig_connect_peer(rig, "guest");
	sd_bus *const callers[] = {guest, rig->client};
	for (size_t i = 0; i < N_ELEMENTS(callers); i++) {
		assert_error(callers[i], SCANOUT_ERROR_NOT_ALLOWED, "RequestScanout", "a{sv}", 1,
			"for", "h", client.fd);
	}
	assert_int_equal(count_free(rig->client), 4);
	client_end(&client);
}

/* A dead client, what is no socket, and what is no descriptor: nothing is leased. */
static void nobody_is_not_served(void **state) {
	struct bus_rig *rig = *state;
	struct client client = client_start(rig);
	AUTO_BUS sd_bus *agent = bus_rig_connect_peer(rig, "agent");
	kill(client.pid, SIGKILL);
	wait_for_exit(client.pid);
	assert_error(agent, SCANOUT_ERROR_NOT_ALLOWED, "RequestScanout", "a{sv}", 1, "for", "h",
		client.fd);
	assert_error(agent, SCANOUT_ERROR_NOT_ALLOWED, "RequestScanout", "a{sv}", 1, "for", "h", 0);
	assert_error(agent, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1, "for", "s",
		"podman:0123");
	assert_int_equal(count_free(rig->client), 4);
	close(client.fd);
}

/* Exits with 0 if it is hung up on without a word, from a user namespace of its own. */
static void connect_apart(const char *path) {
	static const char words[] = "\0AUTH ANONYMOUS\r\n";
	char byte;
	int fd = unshare(CLONE_NEWUSER) == 0 ? socket_connect(path) : -1;
	if (fd < 0) {
		_exit(2);
	}
	(void)send(fd, words, sizeof(words) - 1, MSG_NOSIGNAL);
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	(void)poll(&answer, 1, -1);
	_exit(read(fd, &byte, 1) > 0);
}

/* As root in a container that has the socket, and no cgroup by which it would be known. */
static void nobody_apart_is_an_agent(void **state) {
	struct bus_rig *rig = *state;
	char path[108];
	snprintf(path, sizeof(path), "%s/agent", rig->directory);
	pid_t pid = fork();
	if (pid == 0) {
		connect_apart(path);
	}
	assert_int_equal(wait_for_exit(pid), 0);
	bus_rig_wait_logged(rig, "An agent is turned away: Permission denied");
}

/* A guest that has said nothing does not hold up the daemon's end. */
static void silence_holds_nobody_up(void **state) {
	struct bus_rig *rig = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/guest", rig->directory);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	/* One after it is served, so that the daemon has seen both. */
	AUTO_BUS sd_bus *guest = bus_rig_connect_peer(rig, "guest");
	sd_bus_message_unref(call(guest, "ListScanouts", NULL));
	bus_rig_stop_daemon(rig);
	close(fd);
}

/* What the first guest has said before it is let in is answered. */
static void early_words_are_heard(void **state) {
	static const char words[] = "\0AUTH ANONYMOUS\r\n";
	struct bus_rig *rig = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/guest", rig->directory);
	assert_int_equal(kill(rig->daemon, SIGSTOP), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, words, sizeof(words) - 1), sizeof(words) - 1);
	assert_int_equal(kill(rig->daemon, SIGCONT), 0);
	wait_readable(fd, "an answer to the early words");
}

/* 'device' keeps to one card; one that is not there is named. */
static void a_card_can_be_asked_for(void **state) {
	struct bus_rig *rig = bus_rig_new();
	bus_rig_start_bus(rig, true);
	bus_rig_start_daemon(rig, "2,1");
	rig->client = bus_rig_connect(rig);
	AUTO_MESSAGE sd_bus_message *lease =
		call(rig->client, "RequestScanout", "a{sv}", 1, "device", "s", "/dev/dri/card1");
	const char *id;
	assert_true(sd_bus_message_skip(lease, "ho") > 0);
	assert_true(dict_find(lease, "id", 's', &id));
	assert_string_equal(id, "card1-Virtual-1");
	assert_error(rig->client, SCANOUT_ERROR_NO_FREE, "RequestScanout", "a{sv}", 1, "device",
		"s", "/dev/dri/card1");
	assert_error(rig->client, SCANOUT_ERROR_NO_SUCH, "RequestScanout", "a{sv}", 1, "device",
		"s", "/dev/dri/card2");
	assert_error(rig->client, SCANOUT_ERROR_NO_SUCH, "RequestScanout", "a{sv}", 2, "device",
		"s", "/dev/dri/card1", "scanout", "s", V2);
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"device", "s", "card1");
	assert_int_equal(count_free(rig->client), 2);
	bus_rig_destroy(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_rig_setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(the_client_is_the_holder),
		TEST(an_agent_may_be_a_holder),
		TEST(others_ask_for_themselves),
		TEST(nobody_is_not_served),
		TEST(nobody_apart_is_an_agent),
		TEST(silence_holds_nobody_up),
		TEST(early_words_are_heard),
		cmocka_unit_test(a_card_can_be_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
