/* The daemon as a process that runs out of memory or files, as its callers see it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus_rig.h"
#include "starve.h"

#define V1 "card0-Virtual-1"

static volatile unsigned *countdown; // starve()'s in the daemon
static int shared = -1;              // the file that it is in
static unsigned n_ends;

static void start_daemon(struct bus_rig *rig) {
	char number[16];
	snprintf(number, sizeof(number), "%d", shared);
	setenv("SCANOUTD_STARVE", number, true);
	setenv("LSAN_OPTIONS", "suppressions=tests/libsystemd.supp", true);
	bus_rig_start_daemon(rig, "4");
	unsetenv("LSAN_OPTIONS");
	unsetenv("SCANOUTD_STARVE");
}

/* The daemon on four outputs, which fails its allocations as we say. */
static int setup(void **state) {
	struct bus_rig *rig = bus_rig_new();
	rig->clock = "real"; // what fails is tried again
	/* Above the socket that the rig passes as 3. */
	int fd = memfd_create("starve", MFD_CLOEXEC);
	shared = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	close(fd);
	assert_int_equal(ftruncate(shared, sizeof(*countdown)), 0);
	countdown = starve_share(shared);
	assert_non_null(countdown);
	bus_rig_start_bus(rig, true);
	start_daemon(rig);
	rig->client = bus_rig_connect(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state) {
	munmap((void *)countdown, sizeof(*countdown));
	close(shared);
	return bus_rig_teardown(state); // no leak, no picture seen
}

/* What a caller may hear of it: a name of ours or of D-Bus, or that there is nobody just then. */
static void assert_is_name(const char *error) {
	static const char *const names[] = {"", SCANOUT_ERROR_DEVICE_BUSY,
		SCANOUT_ERROR_NOT_ALLOWED, "org.freedesktop.DBus.Error.NoMemory",
		"org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected",
		"org.freedesktop.DBus.Error.ServiceUnknown",
		/* From this side: the daemon hung up. */
		"System.Error.ENOTCONN", "System.Error.ECONNRESET"};
	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		if (strcmp(error, names[i]) == 0) {
			return;
		}
	}
	fail_msg("The call is refused with '%s'", error);
}

static void ask(struct bus_rig *rig, sd_bus *bus) {
	char error[256];
	call_for_error(error, sizeof(error), bus, "RequestScanout", "a{sv}", 1, "spare", "b", 1);
	assert_is_name(error);
}

static void list(struct bus_rig *rig, sd_bus *bus) {
	char error[256];
	call_for_error(error, sizeof(error), bus, "ListScanouts", NULL);
	assert_is_name(error);
}

static void take_and_release(struct bus_rig *rig, sd_bus *bus) {
	AUTO_BUS_ERROR sd_bus_error refused = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *lease = NULL;
	char error[256];
	int r = sd_bus_call_method(bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, "RequestScanout", &refused, &lease, "a{sv}", 1,
		"scanout", "s", V1);
	assert_is_name(r < 0 ? refused.name ? refused.name : "" : "");
	call_for_error(error, sizeof(error), bus, "ReleaseScanout", "s", V1);
	if (r >= 0) {
		assert_is_name(error);
	}
}

/*
 * The event loop itself needs memory. Without it the daemon ends, and says so; systemd starts the
 * next one, which finds the leases. Anything but that exit status is a crash, or a leak.
 */
static void start_again_if_ended(struct bus_rig *rig) {
	int status;
	if (waitpid(rig->daemon, &status, WNOHANG) == rig->daemon) {
		bus_rig_assert_exit(rig, status, 1);
		assert_logged(rig, "The event loop fails: Cannot allocate memory");
		unlink(rig->log);
		n_ends++;
		start_daemon(rig);
	}
}

/* The daemon may have left the bus and come back. */
static void wait_until_all_is_free(struct bus_rig *rig) {
	uint64_t since = patience_begin("all are free");
	uint32_t n = 0;
	char text[512];
	while (n != 4) {
		/* As systemd does: READY=1 comes with each return to the bus. */
		while (recv(rig->notify_fd, text, sizeof(text), MSG_DONTWAIT) > 0) {
		}
		start_again_if_ended(rig);
		sd_bus_get_property_trivial(rig->client, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			SCANOUT_MANAGER_INTERFACE, "Free", NULL, 'u', &n);
		if (n != 4) {
			patience_sleep(since);
		}
	}
	patience_end();
}

/* Every allocation of the daemon's main thread from the connection to the answer. */
static void starve_calls(
	struct bus_rig *rig, bool as_guest, void (*call_it)(struct bus_rig *rig, sd_bus *bus)) {
	unsigned left = 0, n;
	n_ends = 0;
	for (n = 1; left == 0; n++) {
		AUTO_BUS sd_bus *bus = as_guest ? bus_rig_guest(rig) : bus_rig_connect(rig);
		*countdown = n;
		call_it(rig, bus);
		left = *countdown;
		*countdown = 0;
		bus = sd_bus_close_unref(bus);
		wait_until_all_is_free(rig);
	}
	assert_true(n > 10 && n_ends < n / 10);
}

static void memory_for_calls(void **state) {
	starve_calls(*state, false, list);
	starve_calls(*state, false, ask);
	starve_calls(*state, false, take_and_release);
}

static void memory_for_guests(void **state) {
	starve_calls(*state, true, list);
	starve_calls(*state, true, ask);
	starve_calls(*state, true, take_and_release);
}

static void limit_files(struct bus_rig *rig, unsigned n) {
	struct rlimit limit;
	assert_int_equal(prlimit(rig->daemon, RLIMIT_NOFILE, NULL, &limit), 0);
	limit.rlim_cur = n ? n : limit.rlim_max;
	assert_int_equal(prlimit(rig->daemon, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* With no file to spare, with one, and so on until a request has all that it needs. */
static void no_more_files(void **state) {
	struct bus_rig *rig = *state;
	bool granted = false, refused = false;
	close(get_lease(rig->client, NULL)); // what is opened once
	wait_until_all_is_free(rig);
	unsigned n_fds = count_fds(rig->daemon) - 2; // without . and ..
	for (unsigned spare = 0; !granted; spare++) {
		char error[256];
		limit_files(rig, n_fds + spare);
		AUTO_CLOSE int idle = bus_rig_guest_socket(rig); // turned away, or left waiting
		call_for_error(error, sizeof(error), rig->client, "RequestScanout", "a{sv}", 1,
			"spare", "b", 1);
		granted = error[0] == '\0';
		refused |= !granted;
		assert_true(granted || strcmp(error, SCANOUT_ERROR_DEVICE_BUSY) == 0);
		sd_bus_message_unref(call(rig->client, "ListScanouts", NULL));
		limit_files(rig, 0);
		wait_until_all_is_free(rig);
		idle = (close(idle), -1);
		AUTO_BUS sd_bus *guest = bus_rig_guest(rig);
		call_for_error(error, sizeof(error), guest, "RequestScanout", "a{sv}", 0);
		assert_string_equal(error, "");
		guest = sd_bus_flush_close_unref(guest);
		wait_until_all_is_free(rig);
		wait_until(count_fds(rig->daemon) == n_fds + 2);
	}
	assert_true(refused);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(memory_for_calls),
		TEST(memory_for_guests),
		TEST(no_more_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
