/* May this holder have this? What is not allowed is refused. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "daemon/model/policy.h"
#include "scanout/dbus_names.h"

static char group_name[] = "scanout";
static char first[] = "card0-Virtual-1", second[] = "card1-Virtual-2";
static char *excluded[] = {first, second, NULL};

static const struct config config = {.admin_group = group_name,
	.admin_gid = 990,
	.max_per_holder = 2,
	.max_linger_usec = 5000000,
	.exclude = excluded};

static struct identity user(uid_t uid) {
	return (struct identity){.uid = uid, .pid = 17};
}

static struct identity in_container(uid_t uid, const char *container) {
	struct identity identity = user(uid);
	snprintf(identity.engine, sizeof(identity.engine), "podman");
	snprintf(identity.container, sizeof(identity.container), "%s", container);
	return identity;
}

static void with_group(struct identity *identity, gid_t gid) {
	identity->groups[identity->n_groups++] = gid;
}

static void root_is_admin_outside_containers_only(void **state) {
	struct identity root = user(0), contained = in_container(0, "a");
	assert_true(policy_is_admin(&config, &root));
	assert_false(policy_is_admin(&config, &contained));
}

/* In a container without a cgroup everybody looks like a process of the VM. */
static void nobody_apart_is_admin(void **state) {
	struct identity root = user(0), member = user(1000);
	with_group(&member, 990);
	root.apart = member.apart = true;
	assert_false(policy_is_admin(&config, &root));
	assert_false(policy_is_admin(&config, &member));
}

static void members_are_admins_outside_containers_only(void **state) {
	struct identity member = user(1000), contained = in_container(1000, "a");
	with_group(&member, 4);
	assert_false(policy_is_admin(&config, &member));
	with_group(&member, 990);
	assert_true(policy_is_admin(&config, &member));
	with_group(&contained, 990);
	assert_false(policy_is_admin(&config, &contained));
}

/* Without AdminGroup= the stored gid, (gid_t)-1 or 0, is nobody's. */
static void no_group_means_root_alone(void **state) {
	struct config closed = {.admin_gid = (gid_t)-1};
	struct identity member = user(1000);
	with_group(&member, (gid_t)-1);
	with_group(&member, 0);
	assert_false(policy_is_admin(&closed, &member));
	closed.admin_gid = 0;
	assert_false(policy_is_admin(&closed, &member));
}

static void exclusion_is_exact(void **state) {
	struct config none = {0};
	assert_true(policy_is_excluded(&config, "card0-Virtual-1"));
	assert_true(policy_is_excluded(&config, "card1-Virtual-2"));
	assert_false(policy_is_excluded(&config, "card0-Virtual-10"));
	assert_false(policy_is_excluded(&config, "card0-Virtual"));
	assert_false(policy_is_excluded(&none, "card0-Virtual-1"));
}

static void quota_counts_and_spares_admins(void **state) {
	struct identity guest = in_container(0, "a"), root = user(0);
	struct refusal refusal = {0};
	assert_int_equal(policy_check_request(&config, &guest, 0, &refusal), REFUSAL_NONE);
	assert_int_equal(policy_check_request(&config, &guest, 1, &refusal), REFUSAL_NONE);
	assert_int_equal(policy_check_request(&config, &guest, 2, &refusal), REFUSAL_QUOTA);
	assert_string_equal(refusal_error_name(refusal.code), SCANOUT_ERROR_QUOTA);
	assert_non_null(strstr(refusal.message, "MaxPerHolder= is 2"));
	assert_int_equal(policy_check_request(&config, &root, 99, &refusal), REFUSAL_NONE);
}

static void lingering_is_bounded(void **state) {
	struct refusal refusal = {0};
	assert_int_equal(policy_check_linger(&config, 0, &refusal), REFUSAL_NONE);
	assert_int_equal(policy_check_linger(&config, 5000000, &refusal), REFUSAL_NONE);
	assert_int_equal(policy_check_linger(&config, 5000001, &refusal), REFUSAL_INVALID_OPTION);
	assert_non_null(strstr(refusal.message, "at most 5000000, by MaxLinger="));
}

static void release_is_the_holders_and_the_admins(void **state) {
	struct identity holder = in_container(0, "a"), root = user(0), other = in_container(0, "b"),
			elsewhere = in_container(1, "a"), bare = user(1);
	struct refusal refusal = {0};
	assert_int_equal(policy_check_release(&config, &holder, &holder, &refusal), REFUSAL_NONE);
	assert_int_equal(policy_check_release(&config, &root, &holder, &refusal), REFUSAL_NONE);
	assert_int_equal(
		policy_check_release(&config, &other, &holder, &refusal), REFUSAL_NOT_HOLDER);
	assert_string_equal(refusal_error_name(refusal.code), SCANOUT_ERROR_NOT_HOLDER);
	assert_int_equal(
		policy_check_release(&config, &elsewhere, &holder, &refusal), REFUSAL_NOT_HOLDER);
	assert_int_equal(
		policy_check_release(&config, &bare, &holder, &refusal), REFUSAL_NOT_HOLDER);
	/* A holder outside is a stranger to the same uid inside. */
	assert_int_equal(
		policy_check_release(&config, &elsewhere, &bare, &refusal), REFUSAL_NOT_HOLDER);
}

/* A uid of the VM may end what the same one has in namespaces apart, but nothing the other way. */
static void apart_is_one_way(void **state) {
	struct identity bare = user(1), apart = user(1), other = user(2);
	struct refusal refusal = {0};
	apart.apart = true;
	assert_int_equal(policy_check_release(&config, &bare, &apart, &refusal), REFUSAL_NONE);
	assert_int_equal(policy_check_release(&config, &apart, &apart, &refusal), REFUSAL_NONE);
	assert_int_equal(
		policy_check_release(&config, &apart, &bare, &refusal), REFUSAL_NOT_HOLDER);
	assert_int_equal(
		policy_check_release(&config, &other, &apart, &refusal), REFUSAL_NOT_HOLDER);
	assert_false(identity_same_holder(&bare, &apart));
}

/* The entrypoint asks, its compositor releases: the pid is not the holder. */
static void another_pid_is_the_same_holder(void **state) {
	struct identity asked = in_container(0, "a"), releases = in_container(0, "a");
	releases.pid = 99;
	snprintf(releases.unit, sizeof(releases.unit), "other.service");
	assert_true(identity_same_holder(&asked, &releases));
	snprintf(releases.engine, sizeof(releases.engine), "docker");
	assert_false(identity_same_holder(&asked, &releases));
}

static void every_refusal_has_its_name(void **state) {
	static const char *const names[] = {
		[REFUSAL_NO_FREE] = "NoFreeScanout",
		[REFUSAL_NO_SUCH] = "NoSuchScanout",
		[REFUSAL_BUSY] = "ScanoutBusy",
		[REFUSAL_NOT_HOLDER] = "NotHolder",
		[REFUSAL_NOT_ALLOWED] = "NotAllowed",
		[REFUSAL_QUOTA] = "QuotaExceeded",
		[REFUSAL_INVALID_OPTION] = "InvalidOption",
		[REFUSAL_TIMEOUT] = "Timeout",
		[REFUSAL_DEVICE_GONE] = "DeviceGone",
		[REFUSAL_DEVICE_BUSY] = "DeviceBusy",
	};
	for (enum refusal_code code = REFUSAL_NO_FREE; code <= REFUSAL_DEVICE_BUSY; code++) {
		const char *name = refusal_error_name(code);
		assert_memory_equal(name, "org.scanoutd.Scanout1.Error.", 28);
		assert_string_equal(name + 28, names[code]);
	}
}

/* A message goes into a D-Bus string, and part of it is what a stranger sent. */
static void messages_are_plain_text(void **state) {
	struct refusal refusal;
	refusal_set(&refusal, REFUSAL_NO_SUCH, "There is no '%.3s'\n.", "\xc3\xa4\xc3\xb6");
	for (const char *p = refusal.message; *p; p++) {
		assert_true(*p >= ' ' && *p <= '~');
	}
	char *text = test_malloc(4000);
	memset(text, 'x', 3999);
	text[3999] = '\0';
	assert_int_equal(refusal_set(&refusal, REFUSAL_BUSY, "%s", text), REFUSAL_BUSY);
	assert_int_equal(strlen(refusal.message), sizeof(refusal.message) - 1);
	test_free(text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_is_admin_outside_containers_only),
		cmocka_unit_test(nobody_apart_is_admin),
		cmocka_unit_test(members_are_admins_outside_containers_only),
		cmocka_unit_test(no_group_means_root_alone),
		cmocka_unit_test(exclusion_is_exact),
		cmocka_unit_test(quota_counts_and_spares_admins),
		cmocka_unit_test(lingering_is_bounded),
		cmocka_unit_test(release_is_the_holders_and_the_admins),
		cmocka_unit_test(apart_is_one_way),
		cmocka_unit_test(another_pid_is_the_same_holder),
		cmocka_unit_test(every_refusal_has_its_name),
		cmocka_unit_test(messages_are_plain_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
