/* Which container a cgroup is: every line here is one that an engine makes. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "common/container.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static const struct {
	const char *text, *engine, *container, *unit;
} known[] = {
	/* podman, cgroup manager systemd: root, rootless, below a unit (--cgroups=split) */
	{"0::/machine.slice/libpod-" ID ".scope/container\n", "podman", ID, "libpod-" ID ".scope"},
	{"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
	 ".scope/container\n",
		"podman", ID, "libpod-" ID ".scope"},
	{"0::/system.slice/desk.service/libpod-payload-" ID "\n", "podman", ID, "desk.service"},
	/* podman, cgroup manager cgroupfs */
	{"0::/libpod_parent/libpod-" ID "\n", "podman", ID, ""},
	/* its pods, by both managers */
	{"0::/machine.slice/machine-libpod_pod_" OTHER ".slice/libpod-" ID ".scope/container\n",
		"podman", ID, "libpod-" ID ".scope"},
	{"0::/libpod_parent/" OTHER "/libpod-" ID "\n", "podman", ID, ""},
	{"0::/libpod_parent/" OTHER "/conmon\n", "", "", ""},
	/* podman's monitor runs outside */
	{"0::/machine.slice/libpod-conmon-" ID ".scope\n", "", "", "libpod-conmon-" ID ".scope"},
	{"0::/libpod_parent/conmon\n", "", "", ""},
	{"0::/system.slice/desk.service/runtime\n", "", "", "desk.service"},
	/* docker, drivers systemd and cgroupfs */
	{"0::/system.slice/docker-" ID ".scope\n", "docker", ID, "docker-" ID ".scope"},
	{"0::/docker/" ID "\n", "docker", ID, ""},
	/* containerd: Kubernetes with both drivers, nerdctl */
	{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_3.slice/"
	 "cri-containerd-" ID ".scope\n",
		"containerd", ID, "cri-containerd-" ID ".scope"},
	{"0::/kubepods/besteffort/pod0a1b/" ID "\n", "container", ID, ""},
	{"0::/system.slice/nerdctl-" ID ".scope\n", "containerd", ID, "nerdctl-" ID ".scope"},
	/* CRI-O and its monitor */
	{"0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope/container\n", "cri-o", ID,
		"crio-" ID ".scope"},
	{"0::/kubepods/pod1/crio-" ID "\n", "cri-o", ID, ""},
	{"0::/kubepods.slice/crio-conmon-" ID ".scope\n", "", "", "crio-conmon-" ID ".scope"},
	/* systemd-nspawn, LXC */
	{"0::/machine.slice/systemd-nspawn@desk.service/payload\n", "nspawn", "desk",
		"systemd-nspawn@desk.service"},
	{"0::/machine.slice/machine-desk.scope/payload\n", "nspawn", "desk", "machine-desk.scope"},
	{"0::/lxc.payload.desk/init.scope\n", "lxc", "desk", ""},
	{"0::/lxc.monitor.desk\n", "", "", ""},
	/* no container */
	{"0::/\n", "", "", ""}, {"0::/init.scope\n", "", "", "init.scope"},
	{"0::/system.slice/ssh.service\n", "", "", "ssh.service"},
	{"0::/user.slice/user-0.slice/session-3.scope\n", "", "", "session-3.scope"},
	{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service\n", "", "",
		"dbus.service"},
	{"0::/system.slice/docker.service\n", "", "", "docker.service"},
	{"0::/system.slice/" ID "0\n", "", "", ""},
	{"0::/system.slice/docker-.scope\n", "", "", "docker-.scope"},
	{"0::/system.slice/x.scope", "", "", "x.scope"}, // without a newline
};

static struct container parse(const char *text) {
	struct container container;
	memset(&container, 'x', sizeof(container));
	container_parse(text, &container);
	return container;
}

static void engines_are_known(void **state) {
	for (size_t i = 0; i < N_ELEMENTS(known); i++) {
		struct container container = parse(known[i].text);
		if (strcmp(container.engine, known[i].engine) != 0 ||
			strcmp(container.id, known[i].container) != 0 ||
			strcmp(container.unit, known[i].unit) != 0) {
			fail_msg("%s is engine '%s', container '%s', unit '%s'", known[i].text,
				container.engine, container.id, container.unit);
		}
	}
}

/* Where engines put what joins a container, by 'podman exec' and the like: beside its first
 * process, or, where that has made cgroups below, as systemd does, in one of its own. */
static void who_joins_is_in_the_same_container(void **state) {
	static const char *const places[] = {"", "/container", "/exec", "/.lxc", "/payload",
		"/init.scope", "/system.slice/dbus.service", "/container/init.scope",
		"/container/user.slice/user-0.slice/session-1.scope",
		"/payload/machine.slice/machine-inner.scope", "/docker/" OTHER,
		"/machine.slice/libpod-" OTHER ".scope/container",
		"/libpod-conmon-" OTHER ".scope"};
	static const struct {
		const char *cgroup, *engine, *id;
	} containers[] = {
		{"/machine.slice/libpod-" ID ".scope", "podman", ID},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope",
			"podman", ID},
		{"/system.slice/desk.service/libpod-payload-" ID, "podman", ID},
		{"/libpod_parent/libpod-" ID, "podman", ID},
		{"/system.slice/docker-" ID ".scope", "docker", ID},
		{"/docker/" ID, "docker", ID},
		{"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", "containerd",
			ID},
		{"/kubepods/besteffort/pod0a1b/" ID, "container", ID},
		{"/kubepods.slice/crio-" ID ".scope", "cri-o", ID},
		{"/machine.slice/systemd-nspawn@desk.service", "nspawn", "desk"},
		{"/machine.slice/machine-desk.scope", "nspawn", "desk"},
		{"/lxc.payload.desk", "lxc", "desk"},
	};
	char text[1024];
	for (size_t i = 0; i < N_ELEMENTS(containers) * N_ELEMENTS(places); i++) {
		const char *place = places[i % N_ELEMENTS(places)];
		size_t n = i / N_ELEMENTS(places);
		snprintf(text, sizeof(text), "0::%s%s\n", containers[n].cgroup, place);
		struct container container = parse(text);
		if (strcmp(container.engine, containers[n].engine) != 0 ||
			strcmp(container.id, containers[n].id) != 0) {
			fail_msg("%s is engine '%s', container '%s'", text, container.engine,
				container.id);
		}
	}
}

/* What runs in a container names its own cgroups as it likes: nobody gets out that way. */
static void outermost_wins(void **state) {
	struct container container =
		parse("0::/machine.slice/libpod-" ID ".scope/docker/" OTHER "/x.service\n");
	assert_string_equal(container.engine, "podman");
	assert_string_equal(container.id, ID);
	assert_string_equal(container.unit, "libpod-" ID ".scope");
	container = parse("0::/docker/" ID "/machine.slice/libpod-conmon-" OTHER ".scope\n");
	assert_string_equal(container.engine, "docker");
	assert_string_equal(container.id, ID);
}

/* A cgroup may be called almost anything, but for '/' and newline. */
static void names_in_the_path_are_no_lines(void **state) {
	struct container container =
		parse("0::/machine.slice/libpod-" ID ".scope/name=systemd:/init.scope\n");
	assert_string_equal(container.id, ID);
	container = parse("0::/docker/" ID "/0::/init.scope\n");
	assert_string_equal(container.id, ID);
	container = parse("3:cpu:/docker/" ID "/name=systemd:/x\n"
			  "1:name=systemd:/docker/" ID "\n0::/\n");
	assert_string_equal(container.id, ID);
}

static void v1_and_hybrid(void **state) {
	struct container container = parse("12:pids:/docker/" ID "\n"
					   "11:cpu,cpuacct:/docker/" ID "\n"
					   "1:name=systemd:/docker/" ID "\n"
					   "0::/system.slice/containerd.service\n");
	assert_string_equal(container.engine, "docker");
	assert_string_equal(container.id, ID);
	container = parse("2:memory:/x\n1:name=systemd:/system.slice/ssh.service\n0::/\n");
	assert_string_equal(container.id, "");
	assert_string_equal(container.unit, "ssh.service");
	/* "10::" is no version 2 line, and comes first. */
	container = parse("10:x:/nothing\n0::/system.slice/docker-" ID ".scope\n");
	assert_string_equal(container.id, ID);
}

/* On a system of version 2, where somebody has mounted systemd's of version 1 all the same. */
static void v1_beside_v2(void **state) {
	struct container container =
		parse("1:name=systemd:/\n0::/machine.slice/libpod-" ID ".scope/container\n");
	assert_string_equal(container.engine, "podman");
	assert_string_equal(container.id, ID);
	container = parse("1:name=systemd:/\n0::/system.slice/ssh.service\n");
	assert_string_equal(container.id, "");
	assert_string_equal(container.unit, "ssh.service");
	container = parse("1:name=systemd:/machine.slice/machine-desk.scope\n"
			  "0::/machine.slice/machine-desk.scope/payload\n");
	assert_string_equal(container.id, "desk");
}

/* A text that is no cgroup file names nobody: that must not look like "outside". */
static void garbage_is_an_error(void **state) {
	static const char *const texts[] = {"", "\n", "x", "0:", "0::", "\n\n0:/x\n",
		"::::", "1:cpu:/docker/" ID "\n", "\xff\xfe\n", "0::relative\n"};
	struct container container;
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		if (container_parse(texts[i], &container) >= 0) {
			fail_msg("'%s' was read as a cgroup", texts[i]);
		}
		assert_string_equal(container.id, "");
	}
}

static void long_names_are_cut(void **state) {
	char text[1024];
	char name[400];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text), "0::/machine.slice/machine-%s.scope/x\n", name);
	struct container container = parse(text);
	assert_string_equal(container.engine, "nspawn");
	assert_int_equal(strlen(container.id), sizeof(container.id) - 1);
	assert_int_equal(strlen(container.unit), sizeof(container.unit) - 1);
}

/* Whose the container is, by the slice that systemd gave the user. */
static void users_are_known(void **state) {
	struct container container =
		parse("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		      ".scope/container\n");
	assert_string_equal(container.id, ID);
	assert_string_equal(container.user, "user-1000.slice");
	container = parse("0::/user.slice/user-7.slice/session-3.scope\n");
	assert_string_equal(container.user, "user-7.slice");
	/* Neither of these is a user's own. */
	container = parse("0::/machine.slice/libpod-" ID ".scope/user.slice/user-7.slice/x\n");
	assert_string_equal(container.user, "");
	container = parse("0::/system.slice/user.slice/user-7.slice/x\n");
	assert_string_equal(container.user, "");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_are_known),
		cmocka_unit_test(who_joins_is_in_the_same_container),
		cmocka_unit_test(outermost_wins),
		cmocka_unit_test(names_in_the_path_are_no_lines),
		cmocka_unit_test(v1_and_hybrid),
		cmocka_unit_test(v1_beside_v2),
		cmocka_unit_test(garbage_is_an_error),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(users_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
