/*
 * The door and the front of a container at each of their calls of the kernel and each allocation:
 * it fails, with each errno that it can have, or the process is killed there. Whatever happens, a
 * guest has its own rights and no others, no lease is left that nobody has, and nobody is turned
 * away afterwards.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus_rig.h"
#include "fault.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define V3 "card0-Virtual-3"

static struct fault *fault;
static int shared = -1; // the file that it is in
static pid_t stranger;  // who has V3
static unsigned n_fds;  // of scanoutd, when nobody is there

/* Somebody of another user, if possible. */
static void be_a_stranger(struct bus_rig *rig) {
	sd_bus *bus = NULL;
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0)) {
		_exit(1);
	}
	if (bus_rig_try_connect(rig->address, true, &bus) >= 0) {
		(void)call(bus, "RequestScanout", "a{sv}", 1, "scanout", "s", V3);
		while (true) {
			pause();
		}
	}
	_exit(1);
}

static void end_front(struct bus_rig *rig) {
	if (rig->front) {
		kill(rig->front, SIGTERM);
		wait_for_exit(rig->front);
		rig->front = 0;
	}
}

static int setup(void **state) {
	const char *binary = getenv("SCANOUT_FRONT_FAULT");
	char number[16];
	/* Above the socket that the rig passes as 3. */
	int fd = memfd_create("fault", MFD_CLOEXEC);
	shared = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	close(fd);
	assert_int_equal(ftruncate(shared, sizeof(*fault)), 0);
	fault = fault_map(shared);
	assert_non_null(fault);
	snprintf(number, sizeof(number), "%d", shared);
	setenv(FAULT_VARIABLE, number, true);
	setenv("SCANOUT_FRONT", binary ? binary : "build/san/scanout-front-fault", true);
	bus_rig_setup(state);
	struct bus_rig *rig = *state;
	stranger = bus_rig_fork();
	if (stranger == 0) {
		be_a_stranger(rig);
	}
	wait_for_free(rig->client, 3);
	n_fds = count_fds(rig->daemon);
	end_front(rig);
	return 0;
}

/* A crash or a leak of a front is known from what it wrote: its door does not wait for it. */
static void assert_sound(struct bus_rig *rig) {
	static const char *const signs[] = {"Sanitizer", "runtime error", "is left"};
	char line[1024];
	bool is_sound = true;
	AUTO_FCLOSE FILE *log = fopen(rig->log, "re");
	assert_non_null(log);
	while (fgets(line, sizeof(line), log)) {
		for (size_t i = 0; i < N_ELEMENTS(signs); i++) {
			is_sound &= !strstr(line, signs[i]);
		}
		/* From the first sign on. */
		if (!is_sound) {
			print_error("%s", line);
		}
	}
	assert_true(is_sound);
}

static int teardown(void **state) {
	struct bus_rig *rig = *state;
	end_front(rig);
	assert_sound(rig);
	kill(stranger, SIGKILL);
	wait_for_exit(stranger);
	munmap(fault, sizeof(*fault));
	close(shared);
	unsetenv(FAULT_VARIABLE);
	return bus_rig_teardown(state);
}

static int handle_reply(sd_bus_message *reply, void *data, sd_bus_error *error) {
	*(sd_bus_message **)data = sd_bus_message_ref(reply);
	return 0;
}

/* Asks without waiting for the answer, as long as there is a connection. */
static void ask(
	sd_bus *bus, sd_bus_message **ret_reply, const char *method, const char *types, ...) {
	AUTO_MESSAGE sd_bus_message *m = NULL;
	va_list args;
	assert_true(sd_bus_message_new_method_call(bus, &m, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_MANAGER_INTERFACE, method) >= 0);
	va_start(args, types);
	assert_true(sd_bus_message_appendv(m, types, args) >= 0);
	va_end(args);
	(void)sd_bus_call_async(bus, NULL, m, handle_reply, ret_reply, UINT64_MAX);
}

/* Until there is an answer, or a connection that can have none. */
static void wait_for_reply(sd_bus *bus, sd_bus_message **reply) {
	uint64_t since = patience_begin("a guest's answer");
	int r = 1;
	while (!*reply && sd_bus_is_open(bus) > 0 && r >= 0) {
		r = sd_bus_process(bus, NULL);
		r = r == 0 ? sd_bus_wait(bus, patience_step(since)) : r;
	}
	patience_end();
}

/* sd-bus answers by itself what waits on a connection that ends. */
static bool is_granted(sd_bus_message *reply) {
	return reply && !sd_bus_message_is_method_error(reply, NULL);
}

static uint32_t holder_of(struct bus_rig *rig, const char *id) {
	AUTO_FREE char *path = scanout_path(id);
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	uint32_t pid = 0;
	assert_true(sd_bus_get_property(rig->client, SCANOUT_BUS_NAME, path,
			    SCANOUT_SCANOUT_INTERFACE, "Holder", NULL, &reply, "a{sv}") >= 0);
	assert_true(dict_find(reply, "pid", 'u', &pid));
	return pid;
}

/* What is asked through a front is asked by whom the kernel says. */
static void check_holder(struct bus_rig *rig, const char *id, sd_bus_message *lease) {
	if (is_granted(lease)) {
		assert_int_equal(holder_of(rig, id), getpid());
	}
}

/* Another connection of the same container, while the first one has a call waiting. */
static void be_another_guest(const char *address) {
	AUTO_MESSAGE sd_bus_message *list = NULL;
	sd_bus *guest = NULL;
	if (bus_rig_try_connect(address, true, &guest) >= 0) {
		ask(guest, &list, "ListScanouts", "");
		wait_for_reply(guest, &list);
	}
	sd_bus_close_unref(guest);
}

/* A guest gets a lease, is refused to end another's, and waits for a third until the admin is done.
 */
static void be_a_guest(struct bus_rig *rig, bool is_alone) {
	const uint64_t hour = UINT64_C(3600000000);
	AUTO_MESSAGE sd_bus_message *lease = NULL, *theft = NULL, *late = NULL;
	AUTO_MESSAGE sd_bus_message *taken =
		call(rig->client, "RequestScanout", "a{sv}", 1, "scanout", "s", V2);
	sd_bus *guest = NULL;
	char address[256];
	snprintf(address, sizeof(address), "unix:path=%s/guest", rig->directory);
	if (bus_rig_try_connect(address, false, &guest) >= 0) {
		ask(guest, &lease, "RequestScanout", "a{sv}", 1, "scanout", "s", V1);
		ask(guest, &late, "RequestScanout", "a{sv}", 2, "scanout", "s", V2, "timeout", "t",
			hour);
		if (geteuid() == 0) { // only root can be somebody else
			ask(guest, &theft, "ReleaseScanout", "s", V3);
			wait_for_reply(guest, &theft);
		}
		wait_for_reply(guest, &lease);
		assert_false(is_granted(theft));
		check_holder(rig, V1, lease);
		if (!is_alone) {
			be_another_guest(address);
		}
		taken = sd_bus_message_unref(taken);
		wait_for_reply(guest, &late);
		check_holder(rig, V2, late);
	}
	sd_bus_close_unref(guest);
}

/* Whatever has happened is over when the container has gone. */
static void wait_until_idle(struct bus_rig *rig) {
	wait_until(bus_rig_find_front(rig) == 0);
	wait_until(count_fds(rig->daemon) == n_fds);
	wait_for_free(rig->client, 3);
	assert_int_equal(holder_of(rig, V3), stranger);
}

static bool is_served(struct bus_rig *rig) {
	sd_bus *guest = NULL;
	char address[256];
	uint32_t n = 0;
	snprintf(address, sizeof(address), "unix:path=%s/guest", rig->directory);
	if (bus_rig_try_connect(address, false, &guest) >= 0) {
		(void)sd_bus_get_property_trivial(guest, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			SCANOUT_MANAGER_INTERFACE, "Free", NULL, 'u', &n);
	}
	sd_bus_close_unref(guest);
	return n == 3;
}

/* Whatever has happened, the next one is let in, or the door ends and systemd starts it again. */
static void assert_next_is_served(struct bus_rig *rig) {
	if (!is_served(rig)) {
		wait_for_exit(rig->front);
		bus_rig_start_front(rig);
		assert_true(is_served(rig));
	}
	wait_until_idle(rig);
}

/* One guest, with what was set to happen. Returns whether it did. */
static bool try(
	struct bus_rig *rig, enum fault_process where, volatile unsigned *countdown, unsigned n) {
	*countdown = n;
	fault->where = where;
	if (!rig->front) {
		bus_rig_start_front(rig);
	}
	/* To another one the same memory is given, and it doubles the time. */
	be_a_guest(rig, countdown == &fault->allocation);
	wait_until_idle(rig);
	if (*countdown == 0 && (where != FAULT_INSTANCE || fault->is_fatal)) {
		assert_next_is_served(rig);
	}
	if (where != FAULT_INSTANCE) {
		end_front(rig); // which is a part of what fails
	}
	bool has_happened = *countdown == 0;
	*countdown = 0;
	fault->where = FAULT_NOBODY;
	return has_happened;
}

static void sweep_calls(
	struct bus_rig *rig, enum fault_process where, bool is_fatal, unsigned n_least) {
	unsigned n = 0;
	bool has_happened;
	fault->is_fatal = is_fatal;
	do {
		n++;
		fault->n_errors = 1;
		for (fault->error = 0; fault->error < fault->n_errors; fault->error++) {
			has_happened = try(rig, where, &fault->call, n);
		}
	} while (has_happened);
	print_message("%u calls\n", n - 1);
	assert_true(n > n_least);
}

static void sweep_allocations(struct bus_rig *rig, enum fault_process where, unsigned n_least) {
	unsigned n = 1;
	while (try(rig, where, &fault->allocation, n)) {
		n++;
	}
	print_message("%u allocations\n", n - 1);
	assert_true(n > n_least);
}

static void every_call_of_a_front(void **state) {
	sweep_calls(*state, FAULT_INSTANCE, false, 100);
}

static void every_call_of_the_door(void **state) {
	sweep_calls(*state, FAULT_DOOR, false, 40);
	sweep_calls(*state, FAULT_CHILD, false, 2);
}

static void every_allocation_of_a_front(void **state) {
	sweep_allocations(*state, FAULT_INSTANCE, 100);
}

static void every_allocation_of_the_door(void **state) {
	sweep_allocations(*state, FAULT_DOOR, 15);
}

static void a_front_dies_at_each_step(void **state) {
	sweep_calls(*state, FAULT_INSTANCE, true, 100);
}

static void the_door_dies_at_each_step(void **state) {
	sweep_calls(*state, FAULT_DOOR, true, 40);
	sweep_calls(*state, FAULT_CHILD, true, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* All of it takes minutes, in which every front and door is started anew: SWEEP=all. */
int main(void) {
	const struct CMUnitTest deaths[] = {
		TEST(a_front_dies_at_each_step),
		TEST(the_door_dies_at_each_step),
	};
	const struct CMUnitTest failures[] = {
		TEST(every_call_of_a_front),
		TEST(every_call_of_the_door),
		TEST(every_allocation_of_a_front),
		TEST(every_allocation_of_the_door),
	};
	int n_failed = cmocka_run_group_tests(deaths, NULL, NULL);
	if (getenv("SWEEP")) {
		n_failed += cmocka_run_group_tests(failures, NULL, NULL);
	}
	return n_failed;
}
