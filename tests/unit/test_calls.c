/* What the daemon answers on the bus: the right things to right calls, names to wrong ones. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus_rig.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"

static void request_gives_a_working_lease(void **state) {
	struct bus_rig *rig = *state;
	AUTO_MESSAGE sd_bus_message *reply = call(rig->client, "RequestScanout", "a{sv}", 2,
		"scanout", "s", V2, "label", "s", "desk");
	const char *path, *id = NULL, *device = NULL;
	uint32_t index = 99, connector = 0, crtc = 0, lessee = 0;
	uint64_t generation = 0;
	int fd;
	assert_true(sd_bus_message_has_signature(reply, "hoa{sv}"));
	AUTO_FREE char *expected = scanout_path(V2);

	struct {
		const char *key;
		char type;
		void *value;
	} entries[] = {{"id", 's', &id}, {"index", 'u', &index}, {"device", 's', &device},
		{"connector", 'u', &connector}, {"crtc", 'u', &crtc}, {"lessee", 'u', &lessee},
		{"generation", 't', &generation}};
	for (size_t i = 0; i < N_ELEMENTS(entries); i++) {
		assert_true(sd_bus_message_rewind(reply, true) >= 0);
		assert_true(sd_bus_message_read(reply, "ho", &fd, &path) > 0);
		if (!dict_find(reply, entries[i].key, entries[i].type, entries[i].value)) {
			fail_msg("info has no '%s'", entries[i].key);
		}
	}
	assert_string_equal(path, expected);
	assert_string_equal(id, V2);
	assert_string_equal(device, "/dev/dri/card0");
	assert_int_equal(index, 1);
	assert_int_equal(lessee, 1);
	assert_int_equal(generation, 1);
	assert_true(connector > 0 && crtc > 0);
	struct pollfd p = {.fd = fd};
	assert_int_equal(poll(&p, 1, 0), 0); // the other end is alive
}

static void read_structures(sd_bus_message *m, uint32_t mode[3], uint32_t devnum[2], size_t *n) {
	const char *key;
	assert_true(sd_bus_message_skip(m, "ho") > 0);
	assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		assert_true(sd_bus_message_read(m, "s", &key) > 0);
		if (strcmp(key, "mode") == 0) {
			assert_true(sd_bus_message_read(
					    m, "v", "(uuu)", &mode[0], &mode[1], &mode[2]) > 0);
		} else if (strcmp(key, "devnum") == 0) {
			assert_true(
				sd_bus_message_read(m, "v", "(uu)", &devnum[0], &devnum[1]) > 0);
		} else if (strcmp(key, "planes") == 0) {
			const void *planes;
			assert_true(sd_bus_message_enter_container(m, 'v', "au") > 0);
			assert_true(sd_bus_message_read_array(m, 'u', &planes, n) > 0);
			assert_true(sd_bus_message_exit_container(m) >= 0);
		} else {
			assert_true(sd_bus_message_skip(m, "v") > 0);
		}
		assert_true(sd_bus_message_exit_container(m) >= 0);
	}
}

static void request_tells_planes_and_mode(void **state) {
	struct bus_rig *rig = *state;
	uint32_t mode[3] = {0}, devnum[2] = {9, 9};
	size_t size = 0;
	AUTO_MESSAGE sd_bus_message *reply =
		call(rig->client, "RequestScanout", "a{sv}", 1, "scanout", "s", V1);
	read_structures(reply, mode, devnum, &size);
	assert_int_equal(size, 2 * sizeof(uint32_t));
	assert_int_equal(mode[0], 1280);
	assert_int_equal(mode[1], 800);
	assert_int_equal(mode[2], 59995);
	assert_int_not_equal(devnum[0], 9);
}

static void a_spare_comes_with_the_info(void **state) {
	struct bus_rig *rig = *state;
	int spare = -1;
	AUTO_MESSAGE sd_bus_message *reply =
		call(rig->client, "RequestScanout", "a{sv}", 1, "spare", "b", 1);
	assert_true(sd_bus_message_skip(reply, "ho") > 0);
	assert_true(dict_find(reply, "spare_fd", 'h', &spare));
	assert_true(fcntl(spare, F_GETFD) >= 0);
	AUTO_MESSAGE sd_bus_message *without =
		call(rig->client, "RequestScanout", "a{sv}", 1, "spare", "b", 0);
	assert_true(sd_bus_message_skip(without, "ho") > 0);
	assert_false(dict_find(without, "spare_fd", 'h', &spare));
}

static void the_last_close_frees(void **state) {
	struct bus_rig *rig = *state;
	char id[64];
	int fd = get_lease(rig->client, id);
	assert_int_equal(count_free(rig->client), 3);
	wait_for_state(rig->client, id, "leased");
	close(fd);
	wait_for_state(rig->client, id, "free");
	assert_int_equal(count_free(rig->client), 4);
}

static void list_tells_everything(void **state) {
	struct bus_rig *rig = *state;
	char id[64];
	AUTO_CLOSE int fd = get_lease(rig->client, id);
	AUTO_MESSAGE sd_bus_message *reply = call(rig->client, "ListScanouts", NULL);
	unsigned n = 0, n_leased = 0;
	assert_true(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
	while (!sd_bus_message_at_end(reply, false)) {
		const char *name, *scanout = "", *value = "";
		uint32_t number = 0;
		assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
		while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
			assert_true(sd_bus_message_read(reply, "s", &name) > 0);
			if (strcmp(name, "Id") == 0) {
				assert_true(sd_bus_message_read(reply, "v", "s", &scanout) > 0);
			} else if (strcmp(name, "State") == 0) {
				assert_true(sd_bus_message_read(reply, "v", "s", &value) > 0);
			} else if (strcmp(name, "Width") == 0) {
				assert_true(sd_bus_message_read(reply, "v", "u", &number) > 0);
			} else {
				assert_true(sd_bus_message_skip(reply, "v") > 0);
			}
			assert_true(sd_bus_message_exit_container(reply) >= 0);
		}
		assert_true(sd_bus_message_exit_container(reply) >= 0);
		bool leased = strcmp(scanout, id) == 0;
		assert_string_equal(value, leased ? "leased" : "free");
		assert_int_equal(number, leased ? 1920 : 0); // what it shows at this moment
		n_leased += leased;
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(n_leased, 1);
}

static void holder_and_label_are_properties(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *lease = call(rig->client, "RequestScanout", "a{sv}", 2,
		"scanout", "s", V1, "label", "s", "desk");
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_FREE char *path = scanout_path(V1),
		       *label = scanout_property(rig->client, V1, "Label");
	uint32_t uid = 9999, pid = 0;
	assert_string_equal(label, "desk");
	for (int i = 0; i < 2; i++) {
		reply = sd_bus_message_unref(reply);
		assert_true(
			sd_bus_get_property(rig->client, SCANOUT_BUS_NAME, path,
				SCANOUT_SCANOUT_INTERFACE, "Holder", &error, &reply, "a{sv}") >= 0);
		assert_true(i ? dict_find(reply, "pid", 'u', &pid)
			      : dict_find(reply, "uid", 'u', &uid));
	}
	assert_int_equal(uid, getuid());
	assert_int_equal(pid, getpid());
	lease = sd_bus_message_unref(lease);
	wait_for_state(rig->client, V1, "free");
	free(label);
	label = scanout_property(rig->client, V1, "Label");
	assert_string_equal(label, "");
}

static void wrong_options(void **state) {
	struct bus_rig *rig = *state;
	char *label = test_malloc(10241);
	memset(label, 'x', 10240);
	label[10240] = '\0';
	static const struct {
		const char *key, *type, *value;
	} wrong[] = {{"label", "s", ""}, {"label", "s", "a b"}, {"label", "s", "a/b"},
		{"label", "s", "a\nb"}, {"label", "s", "\xc3\xa4"}, {"label", "o", "/desk"},
		{"Label", "s", "desk"}, {"colour", "s", "red"}, {"", "s", ""},
		{"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		 "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4x\xc3\xa4\xc3\xa4",
			"s", ""},
		{"scanout", "g", "s"}, {"timeout", "s", "1s"}, {"spare", "s", "yes"}};
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}",
			1, wrong[i].key, wrong[i].type, wrong[i].value);
	}
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"label", "s", label);
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1, label,
		"s", "x");
	label[65] = '\0';
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"label", "s", label);
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"label", "u", 7);
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"label", "as", 1, "desk");
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 2,
		"label", "s", "a", "label", "s", "b");
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 2,
		"label", "s", "good", "spare", "u", 1);
	assert_int_equal(count_free(rig->client), 4);
	label[64] = '\0';
	sd_bus_message_unref(call(rig->client, "RequestScanout", "a{sv}", 1, "label", "s", label));
	test_free(label);
}

static void wrong_timeouts(void **state) {
	struct bus_rig *rig = *state;
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"timeout", "x", INT64_C(-1));
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"timeout", "t", UINT64_MAX);
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"timeout", "t", UINT64_C(86400000001));
	assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}", 1,
		"timeout", "u", 1000);
	sd_bus_message_unref(call(
		rig->client, "RequestScanout", "a{sv}", 1, "timeout", "t", UINT64_C(86400000000)));
}

/* Known by name, until their issue. */
static void later_options(void **state) {
	struct bus_rig *rig = *state;
	const char *const numbers[] = {"width", "height", "refresh"};
	for (size_t i = 0; i < N_ELEMENTS(numbers); i++) {
		assert_error(rig->client, SCANOUT_ERROR_INVALID_OPTION, "RequestScanout", "a{sv}",
			1, numbers[i], "u", 1920);
	}
}

static void wrong_scanouts(void **state) {
	struct bus_rig *rig = *state;
	char *name = test_malloc(10241);
	memset(name, 'x', 10240);
	name[10240] = '\0';
	const char *const wrong[] = {"", "card1-Virtual-1", "card0-Virtual-5", "Virtual-1",
		"/org/scanoutd/Scanout1/card0_2dVirtual_2d1", "card0-Virtual-1 ", "../card0", name,
		"\xc3\xa4\xc3\xa4\xc3\xa4", "card0-Virtual-1#1"};
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		assert_error(rig->client, SCANOUT_ERROR_NO_SUCH, "RequestScanout", "a{sv}", 1,
			"scanout", "s", wrong[i]);
	}
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		assert_error(rig->client, SCANOUT_ERROR_NO_SUCH, "ReleaseScanout", "s", wrong[i]);
	}
	/* Cut in the middle of a character, the message would be no D-Bus string. */
	for (int i = 0; i < 10240; i += 2) {
		memcpy(name + i, "\xc3\xa4", 2);
	}
	assert_error(rig->client, SCANOUT_ERROR_NO_SUCH, "ReleaseScanout", "s", name);
	name[10239] = '\0';
	name[10238] = 'x';
	memmove(name + 1, name, 10238);
	name[0] = 'x';
	assert_error(rig->client, SCANOUT_ERROR_NO_SUCH, "ReleaseScanout", "s", name);
	test_free(name);
}

static void wrong_calls(void **state) {
	struct bus_rig *rig = *state;
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	assert_error(rig->client, INVALID_ARGS, "RequestScanout", NULL);
	assert_error(rig->client, INVALID_ARGS, "RequestScanout", "s", "desk");
	assert_error(rig->client, INVALID_ARGS, "RequestScanout", "a{ss}", 1, "label", "desk");
	assert_error(rig->client, INVALID_ARGS, "RequestScanout", "a{sv}s", 0, "more");
	assert_error(rig->client, INVALID_ARGS, "ReleaseScanout", NULL);
	assert_error(rig->client, INVALID_ARGS, "ReleaseScanout", "u", 1);
	assert_error(rig->client, INVALID_ARGS, "ReleaseScanout", "ss", "a", "b");
	assert_error(rig->client, INVALID_ARGS, "ListScanouts", "s", "all");
	assert_error(rig->client, "org.freedesktop.DBus.Error.UnknownMethod", "GiveMeAll", NULL);
	assert_true(sd_bus_set_property(rig->client, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_MANAGER_INTERFACE, "Free", &error, "u", 7) < 0);
	assert_string_equal(error.name, "org.freedesktop.DBus.Error.PropertyReadOnly");
	sd_bus_error_free(&error);
	assert_true(
		sd_bus_call_method(rig->client, SCANOUT_BUS_NAME,
			SCANOUT_BUS_PATH "/card9_2dVirtual_2d1", "org.freedesktop.DBus.Properties",
			"GetAll", &error, NULL, "s", SCANOUT_SCANOUT_INTERFACE) < 0);
	assert_string_equal(error.name, "org.freedesktop.DBus.Error.UnknownObject");
	assert_int_equal(count_free(rig->client), 4);
}

static void refusals_of_the_manager_have_their_names(void **state) {
	struct bus_rig *rig = *state;
	int fds[4];
	bus_rig_change_clock(rig, "real"); // for the timeout
	for (int i = 0; i < 4; i++) {
		fds[i] = get_lease(rig->client, NULL);
	}
	assert_error(rig->client, SCANOUT_ERROR_NO_FREE, "RequestScanout", "a{sv}", 0);
	assert_error(
		rig->client, SCANOUT_ERROR_BUSY, "RequestScanout", "a{sv}", 1, "scanout", "s", V1);
	assert_error(rig->client, SCANOUT_ERROR_TIMEOUT, "RequestScanout", "a{sv}", 1, "timeout",
		"t", UINT64_C(20000));
	sd_bus_message_unref(call(rig->client, "ReleaseScanout", "s", V1));
	wait_for_state(rig->client, V1, "free");
	assert_error(rig->client, SCANOUT_ERROR_NO_SUCH, "ReleaseScanout", "s", V1);
	for (int i = 0; i < 4; i++) {
		close(fds[i]);
	}
	wait_for_free(rig->client, 4);
}

/* A user who is no admin, in a process of its own: the first call that goes wrong is told. */
static int be_a_stranger(struct bus_rig *rig) {
	char name[128];
	if (setgid(65534) < 0 || setuid(65534) < 0) {
		return 1;
	}
	sd_bus *bus = NULL;
	if (bus_rig_try_connect(rig->address, true, &bus) < 0) {
		return 2;
	}
	call_for_error(name, sizeof(name), bus, "ReleaseScanout", "s", V1);
	if (strcmp(name, SCANOUT_ERROR_NOT_HOLDER) != 0) {
		return 3;
	}
	call_for_error(name, sizeof(name), bus, "RequestScanout", "a{sv}", 1, "scanout", "s",
		"card0-Virtual-4");
	if (strcmp(name, SCANOUT_ERROR_NOT_ALLOWED) != 0) {
		return 4; // excluded
	}
	sd_bus_message *leases[2] = {NULL};
	for (int i = 0; i < 2; i++) {
		if (sd_bus_call_method(bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
			    SCANOUT_MANAGER_INTERFACE, "RequestScanout", NULL, &leases[i], "a{sv}",
			    0) < 0) {
			return 5;
		}
	}
	call_for_error(name, sizeof(name), bus, "RequestScanout", "a{sv}", 0);
	if (strcmp(name, SCANOUT_ERROR_QUOTA) != 0) {
		return 6;
	}
	call_for_error(name, sizeof(name), bus, "ReleaseScanout", "s", V2);
	return name[0] == '\0' ? 0 : 7; // its own
}

static void strangers_are_bounded(void **state) {
	struct bus_rig *rig = *state;
	if (geteuid() != 0) {
		skip(); // only root can be somebody else
	}
	bus_rig_stop_daemon(rig);
	bus_rig_write_config(rig, "[Card]\nSeat=none\n[Scanouts]\nExclude=card0-Virtual-4\n"
				  "[Policy]\nMaxPerHolder=2\n");
	bus_rig_start_daemon(rig, "4");
	AUTO_MESSAGE sd_bus_message *mine =
		call(rig->client, "RequestScanout", "a{sv}", 1, "scanout", "s", V1);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(be_a_stranger(rig));
	}
	int status = wait_for_exit(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	wait_for_free(rig->client, 2); // all but ours and the excluded one
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_rig_setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(request_gives_a_working_lease),
		TEST(request_tells_planes_and_mode),
		TEST(a_spare_comes_with_the_info),
		TEST(the_last_close_frees),
		TEST(list_tells_everything),
		TEST(holder_and_label_are_properties),
		TEST(wrong_options),
		TEST(wrong_timeouts),
		TEST(later_options),
		TEST(wrong_scanouts),
		TEST(wrong_calls),
		TEST(refusals_of_the_manager_have_their_names),
		TEST(strangers_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
