/* scanoutd.conf and its drop-ins: how they are read, and each way to be wrong with the exact place
 * and words. The values of the keys are in test_config_key.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "config_rig.h"

static void drop_in(struct config_rig *rig, const char *name, const char *content) {
	AUTO_FREE char *directory = NULL;
	assert_true(asprintf(&directory, "%s.d", rig->path) > 0);
	mkdir(directory, 0755);
	free(write_text(directory, name, content));
}

static void assert_defaults(const struct config *config) {
	assert_null(config->devices);
	assert_int_equal(config->seat, SEAT_AUTO);
	assert_true(config->force_connect);
	assert_true(!config->exclude || !config->exclude[0]);
	assert_int_equal(config->default_width, 1920);
	assert_int_equal(config->default_height, 1080);
	assert_null(config->admin_group);
	assert_int_equal(config->max_per_holder, 4);
	assert_int_equal(config->max_linger_usec, 60000000);
}

static void absent_and_empty_files_are_the_defaults(void **state) {
	struct config_rig *rig = *state;
	assert_int_equal(config_rig_load(rig), 0);
	assert_defaults(&rig->config);
	assert_right(rig, "");
	assert_defaults(&rig->config);
	assert_right(rig, "# nothing\n; here\n\n   \n[Card]\n[Scanouts]\n[Policy]\n");
	assert_defaults(&rig->config);
}

static void wrong_structure(void **state) {
	static const struct {
		const char *content, *error;
	} wrong[] = {
		{"Seat=none\n",
			":1: Seat= stands before any section: [Card], [Scanouts], [Agent] or [Policy]"},
		{"[Card]\nMaxPerHolder=2\n",
			":2: [Card] has no key MaxPerHolder=; it has Devices=, Seat=, ForceConnect=, OnStop="},
		{"[Card]\nseat=none\n",
			":2: [Card] has no key seat=; it has Devices=, Seat=, ForceConnect=, OnStop="},
		{"[Scanouts]\nInclude=x\n",
			":2: [Scanouts] has no key Include=; it has Exclude=, DefaultSize="},
		{"[Policy]\nX=1\n",
			":2: [Policy] has no key X=; it has AdminGroup=, MaxPerHolder=, MaxLinger="},
		{"[Card]\nSeat=none\nSeat=none\n", ":3: Seat= stands twice in this file"},
		{"[Card]\nSeat=none\n[Policy]\n[Card]\nSeat=auto\n",
			":5: Seat= stands twice in this file"},
		{"[Card]\nSeat\n", ":2: this is neither a [Section], a Key=value nor a # comment"},
		{"[Card\nSeat=none\n",
			":1: this is neither a [Section], a Key=value nor a # comment"},
		/* A section without keys is looked at as well. */
		{"[Card]\n[Cards]\n",
			":2: unknown section [Cards]: it is [Card], [Scanouts], [Agent] or [Policy]"},
		{"\n\n[]\n",
			":3: unknown section []: it is [Card], [Scanouts], [Agent] or [Policy]"},
		{"[card]\nSeat=none\n",
			":1: unknown section [card]: it is [Card], [Scanouts], [Agent] or [Policy]"},
		/* Half of a line must not be dropped silently. */
		{"[Card] Seat=none\n",
			":1: 'Seat=none' stands behind the section; it belongs on a line of its own"},
		{"[Card]\nSeat: none\n",
			":2: this is neither a [Section], a Key=value nor a # comment"},
		/* Nothing may continue a value on the next line. */
		{"[Scanouts]\nExclude=card0-Virtual-1\n  card0-Virtual-2\n",
			":3: this is neither a [Section], a Key=value nor a # comment"},
	};
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		assert_wrong(*state, wrong[i].content, wrong[i].error);
	}
}

/* The first mistake is the one that is told. */
static void first_mistake_is_told(void **state) {
	assert_wrong(*state, "[Card]\nSeat=x\nForceConnect=x\n[Nothing]\n",
		":2: Seat=x is not allowed: it is 'auto', 'libseat' or 'none'");
}

static void drop_ins_override_in_the_order_of_their_names(void **state) {
	struct config_rig *rig = *state;
	free(write_text(
		rig->directory, "scanoutd.conf", "[Policy]\nMaxPerHolder=1\n[Card]\nSeat=none\n"));
	drop_in(rig, "20-b.conf", "[Policy]\nMaxPerHolder=20\n");
	drop_in(rig, "10-a.conf", "[Policy]\nMaxPerHolder=10\n[Card]\nForceConnect=no\n");
	drop_in(rig, "90-not.conf.bak", "[Policy]\nMaxPerHolder=90\n");
	drop_in(rig, ".95-hidden.conf", "[Nonsense]\n");
	drop_in(rig, ".conf", "[Nonsense]\n");
	assert_int_equal(config_rig_load(rig), 0);
	assert_int_equal(rig->config.max_per_holder, 20);
	assert_int_equal(rig->config.seat, SEAT_NONE);
	assert_false(rig->config.force_connect);
}

static void drop_ins_work_alone_and_replace_lists(void **state) {
	struct config_rig *rig = *state;
	drop_in(rig, "1.conf",
		"[Scanouts]\nExclude=card0-Virtual-1\n[Card]\nDevices=/dev/dri/card1\n");
	drop_in(rig, "2.conf", "[Scanouts]\nExclude=card0-Virtual-2\n[Card]\nDevices=auto\n");
	assert_int_equal(config_rig_load(rig), 0);
	assert_string_equal(rig->config.exclude[0], "card0-Virtual-2");
	assert_null(rig->config.exclude[1]);
	assert_null(rig->config.devices);
}

static void mistakes_in_drop_ins_name_the_drop_in(void **state) {
	struct config_rig *rig = *state;
	char expected[512];
	drop_in(rig, "1.conf", "[Card]\nSeat=none\n");
	drop_in(rig, "2.conf", "\n[Card]\nSeat=some\n");
	assert_int_equal(config_rig_load(rig), -EINVAL);
	snprintf(expected, sizeof(expected),
		"%s.d/2.conf:3: Seat=some is not allowed: it is 'auto', 'libseat' or 'none'",
		rig->path);
	assert_string_equal(rig->error, expected);
}

/* On failure the old config is untouched. */
static void failure_changes_nothing(void **state) {
	struct config_rig *rig = *state;
	rig->config.max_per_holder = 77;
	free(write_text(rig->directory, "scanoutd.conf", "[Policy]\nMaxPerHolder=5\nX=1\n"));
	assert_int_equal(
		config_load(rig->path, &rig->config, rig->error, sizeof(rig->error)), -EINVAL);
	assert_int_equal(rig->config.max_per_holder, 77);
}

static void long_lines(void **state) {
	struct config_rig *rig = *state;
	char *content = test_malloc(80000);
	size_t n = (size_t)sprintf(content, "[Scanouts]\nExclude=");
	for (int i = 1; i <= 1000; i++) {
		n += (size_t)sprintf(content + n, "card0-Virtual-%d ", i);
	}
	sprintf(content + n, "\n[Policy]\nMaxPerHolder=x\n");
	assert_wrong(
		rig, content, ":4: MaxPerHolder=x is not allowed: it is a number from 1 to 4096");
	strcpy(strrchr(content, '\n') - 1, "3\n");
	assert_right(rig, content);
	assert_string_equal(rig->config.exclude[999], "card0-Virtual-1000");
	assert_null(rig->config.exclude[1000]);

	/* A line is one, however long it is. */
	memset(content, ' ', 70000);
	content[0] = '#';
	strcpy(content + 65535, "[Policy]\n");
	memset(content + 65544, ' ', 1000);
	strcpy(content + 66000, "[Policy]\nMaxPerHolder=9\n");
	assert_right(rig, content);
	assert_int_equal(rig->config.max_per_holder, 9);
	test_free(content);
}

static void files_that_are_none(void **state) {
	struct config_rig *rig = *state;
	char expected[512];
	assert_int_equal(mkdir(rig->path, 0755), 0);
	assert_true(config_rig_load(rig) < 0);
	snprintf(expected, sizeof(expected), "%s:0: cannot be read: Is a directory", rig->path);
	assert_string_equal(rig->error, expected);
	assert_int_equal(rmdir(rig->path), 0);

	assert_int_equal(symlink("scanoutd.conf", rig->path), 0); // to itself
	assert_int_equal(config_rig_load(rig), -ELOOP);
	snprintf(expected, sizeof(expected),
		"%s:0: cannot be read: Too many levels of symbolic links", rig->path);
	assert_string_equal(rig->error, expected);
	assert_int_equal(unlink(rig->path), 0);

	AUTO_FREE char *drop_ins = write_text(rig->directory, "scanoutd.conf.d", "");
	assert_int_equal(config_rig_load(rig), -ENOTDIR);
	snprintf(expected, sizeof(expected), "%s.d:0: cannot be read: Not a directory", rig->path);
	assert_string_equal(rig->error, expected);
}

static void unreadable_file(void **state) {
	struct config_rig *rig = *state;
	char expected[512];
	uid_t uid = geteuid();
	free(write_text(rig->directory, "scanoutd.conf", "[Card]\n"));
	chmod(rig->path, 0);
	if (uid == 0) {
		assert_int_equal(seteuid(65534), 0); // root reads everything
	}
	int r = config_rig_load(rig);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(r, -EACCES);
	snprintf(expected, sizeof(expected), "%s:0: cannot be read: Permission denied", rig->path);
	assert_string_equal(rig->error, expected);
}

static void binary_garbage(void **state) {
	struct config_rig *rig = *state;
	char noise[4096];
	uint32_t seed = 1;
	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (char)(seed >> 24);
	}
	assert_true(config_rig_load_bytes(rig, noise, sizeof(noise)) < 0);
	assert_true(config_rig_load_bytes(rig, "\0\0\0\0", 4) < 0);
	/* What stands behind a NUL is invisible in most tools, and must not get lost. */
	static const char hidden[] = "[Card]\nForceConnect=no\0garbage\n";
	assert_int_equal(config_rig_load_bytes(rig, hidden, sizeof(hidden) - 1), -EINVAL);
	assert_string_equal(rig->error + strlen(rig->path), ":2: there is a NUL byte in this line");
	static const char section[] = "[Card]\0\n[Bogus]\n";
	assert_int_equal(config_rig_load_bytes(rig, section, sizeof(section) - 1), -EINVAL);
	assert_string_equal(rig->error + strlen(rig->path), ":1: there is a NUL byte in this line");
}

static void small_error_buffers_are_not_overrun(void **state) {
	struct config_rig *rig = *state;
	free(write_text(rig->directory, "scanoutd.conf", "[Bogus]\n"));
	for (size_t size = 2; size < 120; size++) {
		char *error = test_malloc(size);
		assert_int_equal(config_load(rig->path, &rig->config, error, size), -EINVAL);
		assert_true(strlen(error) < size);
		test_free(error);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, config_rig_setup, config_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(absent_and_empty_files_are_the_defaults),
		TEST(wrong_structure),
		TEST(first_mistake_is_told),
		TEST(drop_ins_override_in_the_order_of_their_names),
		TEST(drop_ins_work_alone_and_replace_lists),
		TEST(mistakes_in_drop_ins_name_the_drop_in),
		TEST(failure_changes_nothing),
		TEST(long_lines),
		TEST(files_that_are_none),
		TEST(unreadable_file),
		TEST(binary_garbage),
		TEST(small_error_buffers_are_not_overrun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
