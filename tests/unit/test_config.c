/* scanoutd.conf: each key, and each way to be wrong with the exact place and words. */
#include "support.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "config.h"

struct fixture {
	char *directory, *path;
	struct config config;
	char error[512];
};

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));
	f->directory = make_directory();
	assert_true(asprintf(&f->path, "%s/scanoutd.conf", f->directory) > 0);
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	config_finish(&f->config);
	remove_directory(f->directory);
	free(f->path);
	free(f);
	return 0;
}

static int load(struct fixture *f) {
	config_finish(&f->config);
	return config_load(f->path, &f->config, f->error, sizeof(f->error));
}

static int load_bytes(struct fixture *f, const void *content, size_t size) {
	free(write_file(f->directory, "scanoutd.conf", content, size));
	return load(f);
}

static void assert_right(struct fixture *f, const char *content) {
	if (load_bytes(f, content, strlen(content)) != 0) {
		fail_msg("\"%s\" is refused: %s", content, f->error);
	}
	assert_string_equal(f->error, "");
}

/* The whole error after the path of the file. */
static void assert_wrong(struct fixture *f, const char *content, const char *error) {
	size_t length = strlen(f->path);
	if (load_bytes(f, content, strlen(content)) != -EINVAL) {
		fail_msg("\"%s\" is accepted", content);
	}
	assert_memory_equal(f->error, f->path, length);
	assert_string_equal(f->error + length, error);
}

static void drop_in(struct fixture *f, const char *name, const char *content) {
	AUTO_FREE char *directory = NULL;
	assert_true(asprintf(&directory, "%s.d", f->path) > 0);
	mkdir(directory, 0755);
	free(write_text(directory, name, content));
}

static void assert_defaults(const struct config *config) {
	assert_null(config->devices);
	assert_int_equal(config->seat, CONFIG_SEAT_AUTO);
	assert_true(config->force_connect);
	assert_true(!config->exclude || !config->exclude[0]);
	assert_null(config->admin_group);
	assert_int_equal(config->max_per_holder, 4);
	assert_int_equal(config->max_linger_usec, 60000000);
}

static void absent_and_empty_files_are_the_defaults(void **state) {
	struct fixture *f = *state;
	assert_int_equal(load(f), 0);
	assert_defaults(&f->config);
	assert_right(f, "");
	assert_defaults(&f->config);
	assert_right(f, "# nothing\n; here\n\n   \n[Card]\n[Scanouts]\n[Policy]\n");
	assert_defaults(&f->config);
}

static void every_key(void **state) {
	struct fixture *f = *state;
	char text[512];
	struct group *group = getgrgid(getgid());
	assert_non_null(group);
	snprintf(text, sizeof(text),
		"[Card]\nDevices=/dev/dri/card0\t /dev/dri/card3\nSeat = none\nForceConnect=no\n"
		"[Scanouts]\nExclude=card0-Virtual-1  card0-Virtual-2\n"
		"[Policy]\nAdminGroup=%s\nMaxPerHolder=4096\nMaxLinger=86400\n",
		group->gr_name);
	assert_right(f, text);
	assert_string_equal(f->config.devices[0], "/dev/dri/card0");
	assert_string_equal(f->config.devices[1], "/dev/dri/card3");
	assert_null(f->config.devices[2]);
	assert_int_equal(f->config.seat, CONFIG_SEAT_NONE);
	assert_false(f->config.force_connect);
	assert_string_equal(f->config.exclude[0], "card0-Virtual-1");
	assert_string_equal(f->config.exclude[1], "card0-Virtual-2");
	assert_null(f->config.exclude[2]);
	assert_string_equal(f->config.admin_group, group->gr_name);
	assert_int_equal(f->config.admin_gid, getgid());
	assert_int_equal(f->config.max_per_holder, 4096);
	assert_int_equal(f->config.max_linger_usec, UINT64_C(86400000000));
}

static void every_value_of_the_choices(void **state) {
	struct fixture *f = *state;
	assert_right(f, "[Card]\nSeat=auto\n");
	assert_int_equal(f->config.seat, CONFIG_SEAT_AUTO);
	assert_right(f, "[Card]\nSeat=libseat\r\n");
	assert_int_equal(f->config.seat, CONFIG_SEAT_LIBSEAT);
	assert_right(f, "[Card]\nForceConnect=yes\n");
	assert_true(f->config.force_connect);
	assert_right(f, "[Card]\nDevices=auto\n");
	assert_null(f->config.devices);
	assert_right(f, "[Scanouts]\nExclude=\n[Policy]\nAdminGroup=\nMaxPerHolder=1\nMaxLinger=0");
	assert_null(f->config.admin_group);
	assert_int_equal(f->config.max_per_holder, 1);
	assert_int_equal(f->config.max_linger_usec, 0);
	assert_null(f->config.exclude[0]);
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
		{"[Card]\nDevices=card0\n",
			":2: Devices=card0 is not allowed: it is 'auto' or a list of paths such as "
			"/dev/dri/card0"},
		{"[Card]\nDevices=\n",
			":2: Devices= is not allowed: it is 'auto' or a list of paths such as "
			"/dev/dri/card0"},
		{"[Card]\nDevices=/dev/dri/card0 auto\n",
			":2: Devices=/dev/dri/card0 auto is not allowed: it is 'auto' or a list of "
			"paths such as /dev/dri/card0"},
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
	assert_wrong(*state, "[Policy]\nMaxLinger=86401\n",
		":2: MaxLinger=86401 is not allowed: it is a number of seconds from 0 to 86400");
	assert_wrong(*state, "[Policy]\nMaxLinger=1min\n",
		":2: MaxLinger=1min is not allowed: it is a number of seconds from 0 to 86400");
}

static void wrong_structure(void **state) {
	static const struct {
		const char *content, *error;
	} wrong[] = {
		{"Seat=none\n",
			":1: Seat= stands before any section: [Card], [Scanouts], [Guest] or [Policy]"},
		{"[Card]\nMaxPerHolder=2\n",
			":2: [Card] has no key MaxPerHolder=; it has Devices=, Seat=, ForceConnect=, OnStop="},
		{"[Card]\nseat=none\n",
			":2: [Card] has no key seat=; it has Devices=, Seat=, ForceConnect=, OnStop="},
		{"[Scanouts]\nInclude=x\n", ":2: [Scanouts] has no key Include=; it has Exclude="},
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
			":2: unknown section [Cards]: it is [Card], [Scanouts], [Guest] or [Policy]"},
		{"\n\n[]\n",
			":3: unknown section []: it is [Card], [Scanouts], [Guest] or [Policy]"},
		{"[card]\nSeat=none\n",
			":1: unknown section [card]: it is [Card], [Scanouts], [Guest] or [Policy]"},
		/* Half of a line must not be dropped silently. */
		{"[Card] Seat=none\n",
			":1: 'Seat=none' stands behind the section; it belongs on a line of its own"},
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
	struct fixture *f = *state;
	free(write_text(
		f->directory, "scanoutd.conf", "[Policy]\nMaxPerHolder=1\n[Card]\nSeat=none\n"));
	drop_in(f, "20-b.conf", "[Policy]\nMaxPerHolder=20\n");
	drop_in(f, "10-a.conf", "[Policy]\nMaxPerHolder=10\n[Card]\nForceConnect=no\n");
	drop_in(f, "90-not.conf.bak", "[Policy]\nMaxPerHolder=90\n");
	drop_in(f, ".95-hidden.conf", "[Nonsense]\n");
	drop_in(f, ".conf", "[Nonsense]\n");
	assert_int_equal(load(f), 0);
	assert_int_equal(f->config.max_per_holder, 20);
	assert_int_equal(f->config.seat, CONFIG_SEAT_NONE);
	assert_false(f->config.force_connect);
}

static void drop_ins_work_alone_and_replace_lists(void **state) {
	struct fixture *f = *state;
	drop_in(f, "1.conf",
		"[Scanouts]\nExclude=card0-Virtual-1\n[Card]\nDevices=/dev/dri/card1\n");
	drop_in(f, "2.conf", "[Scanouts]\nExclude=card0-Virtual-2\n[Card]\nDevices=auto\n");
	assert_int_equal(load(f), 0);
	assert_string_equal(f->config.exclude[0], "card0-Virtual-2");
	assert_null(f->config.exclude[1]);
	assert_null(f->config.devices);
}

static void mistakes_in_drop_ins_name_the_drop_in(void **state) {
	struct fixture *f = *state;
	char expected[512];
	drop_in(f, "1.conf", "[Card]\nSeat=none\n");
	drop_in(f, "2.conf", "\n[Card]\nSeat=some\n");
	assert_int_equal(load(f), -EINVAL);
	snprintf(expected, sizeof(expected),
		"%s.d/2.conf:3: Seat=some is not allowed: it is 'auto', 'libseat' or 'none'",
		f->path);
	assert_string_equal(f->error, expected);
}

/* On failure the old config is untouched. */
static void failure_changes_nothing(void **state) {
	struct fixture *f = *state;
	f->config.max_per_holder = 77;
	free(write_text(f->directory, "scanoutd.conf", "[Policy]\nMaxPerHolder=5\nX=1\n"));
	assert_int_equal(config_load(f->path, &f->config, f->error, sizeof(f->error)), -EINVAL);
	assert_int_equal(f->config.max_per_holder, 77);
}

static void long_lines(void **state) {
	struct fixture *f = *state;
	char *content = test_malloc(80000);
	size_t n = (size_t)sprintf(content, "[Scanouts]\nExclude=");
	for (int i = 1; i <= 1000; i++) {
		n += (size_t)sprintf(content + n, "card0-Virtual-%d ", i);
	}
	sprintf(content + n, "\n[Policy]\nMaxPerHolder=x\n");
	assert_wrong(
		f, content, ":4: MaxPerHolder=x is not allowed: it is a number from 1 to 4096");
	strcpy(strrchr(content, '\n') - 1, "3\n");
	assert_right(f, content);
	assert_string_equal(f->config.exclude[999], "card0-Virtual-1000");
	assert_null(f->config.exclude[1000]);

	/* A line that is too long for the parser must not be taken apart in silence. */
	memset(content, ' ', 70000);
	content[0] = '#';
	strcpy(content + 65535, "[Policy]\n");
	memset(content + 65544, ' ', 1000);
	strcpy(content + 66000, "[Policy]\nMaxPerHolder=9\n");
	assert_wrong(f, content, ":1: this line is longer than 65000 characters");
	test_free(content);
}

static void files_that_are_none(void **state) {
	struct fixture *f = *state;
	char expected[512];
	assert_int_equal(mkdir(f->path, 0755), 0);
	assert_true(load(f) < 0);
	snprintf(expected, sizeof(expected),
		"%s:0: cannot be read: it is a directory or the disk failed", f->path);
	assert_string_equal(f->error, expected);
	assert_int_equal(rmdir(f->path), 0);

	assert_int_equal(symlink("scanoutd.conf", f->path), 0); // to itself
	assert_int_equal(load(f), -ELOOP);
	snprintf(expected, sizeof(expected),
		"%s:0: cannot be read: Too many levels of symbolic links", f->path);
	assert_string_equal(f->error, expected);
	assert_int_equal(unlink(f->path), 0);

	AUTO_FREE char *drop_ins = write_text(f->directory, "scanoutd.conf.d", "");
	assert_int_equal(load(f), -ENOTDIR);
	snprintf(expected, sizeof(expected), "%s.d:0: cannot be read: Not a directory", f->path);
	assert_string_equal(f->error, expected);
}

static void unreadable_file(void **state) {
	struct fixture *f = *state;
	char expected[512];
	uid_t uid = geteuid();
	free(write_text(f->directory, "scanoutd.conf", "[Card]\n"));
	chmod(f->path, 0);
	if (uid == 0) {
		assert_int_equal(seteuid(65534), 0); // root reads everything
	}
	int r = load(f);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(r, -EACCES);
	snprintf(expected, sizeof(expected), "%s:0: cannot be read: Permission denied", f->path);
	assert_string_equal(f->error, expected);
}

static void binary_garbage(void **state) {
	struct fixture *f = *state;
	char noise[4096];
	uint32_t seed = 1;
	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (char)(seed >> 24);
	}
	assert_true(load_bytes(f, noise, sizeof(noise)) < 0);
	assert_true(load_bytes(f, "\0\0\0\0", 4) < 0);
	/* What stands behind a NUL is invisible in most tools, and must not get lost. */
	static const char hidden[] = "[Card]\nForceConnect=no\0garbage\n";
	assert_int_equal(load_bytes(f, hidden, sizeof(hidden) - 1), -EINVAL);
	assert_string_equal(f->error + strlen(f->path), ":2: there is a NUL byte in this line");
	static const char section[] = "[Card]\0\n[Bogus]\n";
	assert_int_equal(load_bytes(f, section, sizeof(section) - 1), -EINVAL);
	assert_string_equal(f->error + strlen(f->path), ":1: there is a NUL byte in this line");
}

static void small_error_buffers_are_not_overrun(void **state) {
	struct fixture *f = *state;
	free(write_text(f->directory, "scanoutd.conf", "[Bogus]\n"));
	for (size_t size = 2; size < 120; size++) {
		char *error = test_malloc(size);
		assert_int_equal(config_load(f->path, &f->config, error, size), -EINVAL);
		assert_true(strlen(error) < size);
		test_free(error);
	}
}

static void lists_are_copied_deeply(void **state) {
	char one[] = "one";
	char *list[] = {one, NULL}, **copy;
	assert_int_equal(config_copy_list(list, &copy), 0);
	assert_string_equal(copy[0], "one");
	assert_ptr_not_equal(copy[0], one);
	assert_null(copy[1]);
	free(copy[0]);
	free(copy);
	assert_int_equal(config_copy_list(NULL, &copy), 0);
	assert_null(copy[0]);
	free(copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(absent_and_empty_files_are_the_defaults),
		TEST(every_key),
		TEST(every_value_of_the_choices),
		TEST(wrong_values),
		TEST(wrong_numbers),
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
		TEST(lists_are_copied_deeply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
