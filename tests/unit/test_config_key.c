/* The keys of scanoutd.conf: each value that is allowed, and each that is not with the exact words.
 */
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_rig.h"

#define NO_DEVICES                                                                    \
	" is not allowed: it is 'auto' or a list of paths such as /dev/dri/card0 or " \
	"/dev/dri/by-path/pci-0000:00:02.0-card"

static void every_key(void **state) {
	struct config_rig *rig = *state;
	char text[512];
	struct group *group = getgrgid(getgid());
	assert_non_null(group);
	snprintf(text, sizeof(text),
		"[Card]\nDevices=/dev/dri/card0\t /dev/dri/card3\nSeat = none\nForceConnect=no\n"
		"OnStop=release\n[Agent]\nSocket=/run/agents/bus\n"
		"[Scanouts]\nExclude=card0-Virtual-1  card0-Virtual-2\n"
		"DefaultSize=1366x768\n"
		"[Policy]\nAdminGroup=%s\nMaxPerHolder=4096\nMaxLinger=86400\n",
		group->gr_name);
	assert_right(rig, text);
	assert_string_equal(rig->config.devices[0], "/dev/dri/card0");
	assert_string_equal(rig->config.devices[1], "/dev/dri/card3");
	assert_null(rig->config.devices[2]);
	assert_int_equal(rig->config.seat, SEAT_NONE);
	assert_false(rig->config.force_connect);
	assert_true(rig->config.release_on_stop);
	assert_string_equal(rig->config.agent_socket, "/run/agents/bus");
	assert_string_equal(rig->config.exclude[0], "card0-Virtual-1");
	assert_string_equal(rig->config.exclude[1], "card0-Virtual-2");
	assert_null(rig->config.exclude[2]);
	assert_int_equal(rig->config.default_width, 1366);
	assert_int_equal(rig->config.default_height, 768);
	assert_string_equal(rig->config.admin_group, group->gr_name);
	assert_int_equal(rig->config.admin_gid, getgid());
	assert_int_equal(rig->config.max_per_holder, 4096);
	assert_int_equal(rig->config.max_linger_usec, UINT64_C(86400000000));
}

static void every_value_of_the_choices(void **state) {
	struct config_rig *rig = *state;
	assert_right(rig, "[Card]\nSeat=auto\n");
	assert_int_equal(rig->config.seat, SEAT_AUTO);
	assert_right(rig, "[Card]\nSeat=libseat\r\n");
	assert_int_equal(rig->config.seat, SEAT_LIBSEAT);
	assert_right(rig, "[Card]\nForceConnect=yes\n");
	assert_true(rig->config.force_connect);
	assert_right(rig, "[Card]\nOnStop=keep\n[Agent]\nSocket=\n");
	assert_false(rig->config.release_on_stop);
	assert_null(rig->config.agent_socket);
	assert_right(rig, "[Card]\nDevices=auto\n");
	assert_null(rig->config.devices);
	assert_right(
		rig, "[Scanouts]\nExclude=\n[Policy]\nAdminGroup=\nMaxPerHolder=1\nMaxLinger=0");
	assert_null(rig->config.admin_group);
	assert_int_equal(rig->config.max_per_holder, 1);
	assert_int_equal(rig->config.max_linger_usec, 0);
	assert_null(rig->config.exclude[0]);
}

static void wrong_values(void **state) {
	static const struct {
		const char *content, *error;
	} wrong[] = {
		{"[Card]\nSeat=yes\n",
			":2: Seat=yes is not allowed: it is 'auto', 'libseat' or 'none'"},
		{"[Card]\nSeat=none # ours\n",
			":2: Seat=none # ours is not allowed: it is 'auto', 'libseat' or 'none'"},
		{"[Card]\n\n# x\nForceConnect=true\n",
			":4: ForceConnect=true is not allowed: it is 'yes' or 'no'"},
		{"[Card]\nForceConnect=\n",
			":2: ForceConnect= is not allowed: it is 'yes' or 'no'"},
		{"[Card]\nOnStop=no\n", ":2: OnStop=no is not allowed: it is 'keep' or 'release'"},
		{"[Agent]\nSocket=bus\n",
			":2: Socket=bus is not allowed: it is an absolute path of at most 107 bytes, or empty"},
		{"[Card]\nDevices=card0\n", ":2: Devices=card0" NO_DEVICES},
		{"[Card]\nDevices=\n", ":2: Devices=" NO_DEVICES},
		{"[Card]\nDevices=/dev/dri/card0 auto\n",
			":2: Devices=/dev/dri/card0 auto" NO_DEVICES},
		{"[Card]\nDevices=/dev/dri/renderD128\n",
			":2: Devices=/dev/dri/renderD128" NO_DEVICES},
		{"[Card]\nDevices=/dev/dri/by-path/pci-0000:00:02.0-render\n",
			":2: Devices=/dev/dri/by-path/pci-0000:00:02.0-render" NO_DEVICES},
		{"[Scanouts]\nExclude=card0-Virtual-1 Virtual-2\n",
			":2: Exclude=Virtual-2 is not allowed: it is a list of scanout ids such as "
			"card0-Virtual-1"},
		{"[Scanouts]\nExclude=card0-Virtual-1,card0-Virtual-2\n",
			":2: Exclude=card0-Virtual-1,card0-Virtual-2 is not allowed: it is a list of "
			"scanout ids such as card0-Virtual-1"},
		{"[Policy]\nAdminGroup=no-such-group\n",
			":2: AdminGroup=no-such-group is not allowed: there is no such group. Create "
			"it with 'groupadd --system no-such-group' or leave the value empty"},
	};
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		assert_wrong(*state, wrong[i].content, wrong[i].error);
	}
}

static void wrong_numbers(void **state) {
	static const char *const wrong[] = {
		"0", "-1", "+1", "4097", "1x", "0x4", "", "1 2", "99999999999999999999", "one"};
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		char content[128], error[128];
		snprintf(content, sizeof(content), "[Policy]\nMaxPerHolder=%s\n", wrong[i]);
		snprintf(error, sizeof(error),
			":2: MaxPerHolder=%s is not allowed: it is a number from 1 to 4096",
			wrong[i]);
		assert_wrong(*state, content, error);
	}
	static const char *const sizes[] = {"", "1920", "1920x", "x1080", "0x1080", "1920x0",
		"1920x1080x1", "1920x1080@60", "16385x1080", "1920x16385", "1920x-1", "1920x+1080",
		"1920x 1080", "-1x1080", "auto", "1920X1080", "4294967297x1080"};
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		char content[128], error[160];
		snprintf(content, sizeof(content), "[Scanouts]\nDefaultSize=%s\n", sizes[i]);
		snprintf(error, sizeof(error),
			":2: DefaultSize=%s is not allowed: it is a size such as 1920x1080, each side "
			"from 1 to 16384",
			sizes[i]);
		assert_wrong(*state, content, error);
	}
	assert_wrong(*state, "[Policy]\nMaxLinger=86401\n",
		":2: MaxLinger=86401 is not allowed: it is a number of seconds from 0 to 86400");
	assert_wrong(*state, "[Policy]\nMaxLinger=1min\n",
		":2: MaxLinger=1min is not allowed: it is a number of seconds from 0 to 86400");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, config_rig_setup, config_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(every_key),
		TEST(every_value_of_the_choices),
		TEST(wrong_values),
		TEST(wrong_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
