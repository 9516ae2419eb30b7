/* Who is asking, and for whom. */
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/namespace.h"
#include "daemon/model/identity.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void descriptions(void **state) {
	char text[128], small[16];
	struct identity identity = {.uid = 1000, .pid = 17};
	assert_false(identity_in_container(&identity));
	assert_string_equal(identity_describe(&identity, text, sizeof(text)), "uid 1000, pid 17");
	strcpy(identity.engine, "docker");
	strcpy(identity.container, ID);
	assert_true(identity_in_container(&identity));
	assert_string_equal(identity_describe(&identity, text, sizeof(text)),
		"docker container 0123456789ab, uid 1000, pid 17");
	assert_string_equal(identity_describe(&identity, small, sizeof(small)), "docker containe");
}

/* What an agent asked for is the holder's and the agent's, and no other guest's of its uid. */
static void agents_act_for_those_they_serve(void **state) {
	struct identity agent = {.uid = 61000, .guest = true, .agent = true};
	struct identity holder = {.uid = 7, .container = "a", .served = true, .agent_uid = 61000};
	struct identity itself = {.uid = 7, .container = "a", .guest = true};
	assert_true(identity_acts_for(&agent, &holder));
	assert_true(identity_acts_for(&itself, &holder));
	struct identity other_agent = {.uid = 61001, .guest = true, .agent = true};
	assert_false(identity_acts_for(&other_agent, &holder));
	struct identity impostor = {.uid = 61000, .guest = true};
	assert_false(identity_acts_for(&impostor, &holder));
	struct identity by_itself = {.uid = 7, .container = "a", .agent_uid = 61000};
	assert_false(identity_acts_for(&agent, &by_itself));
	assert_false(identity_same_holder(&agent, &holder));
}

/* The kernel says who connected the socket that an agent shows; never an admin. */
static void the_socket_tells_whom_it_serves(void **state) {
	struct identity agent = {.uid = 61000, .agent = true, .unit = "scanout-seat@x.service"};
	struct identity served = {0};
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(identity_of_served(ends[0], &agent, &served), 0);
	assert_int_equal(served.uid, getuid());
	assert_int_equal(served.pid, getpid());
	assert_true(served.guest && served.served && !served.agent);
	assert_int_equal(served.agent_uid, 61000);
	assert_string_equal(served.unit, "scanout-seat@x.service");
	close(ends[0]);
	close(ends[1]);
}

/* Nobody is named by what is no socket, or by the socket of who is gone. */
static void nobody_is_served(void **state) {
	struct identity agent = {.uid = 61000, .agent = true}, served = {.uid = 4711};
	int ends[2], pipes[2];
	assert_int_equal(pipe(pipes), 0);
	assert_true(identity_of_served(pipes[0], &agent, &served) < 0);
	close(pipes[0]);
	close(pipes[1]);
	/* A socket pair's owner is who made it: here a child, which passes it on and dies. */
	int relay[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, relay), 0);
	pid_t child = fork();
	if (child == 0) {
		char space[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
		struct iovec part = {&byte, 1};
		struct msghdr message = {.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = space,
			.msg_controllen = sizeof(space)};
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		*header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0) {
			memcpy(CMSG_DATA(header), &ends[0], sizeof(int));
			_exit(sendmsg(relay[1], &message, 0) == 1 ? 0 : 1);
		}
		_exit(1);
	}
	char space[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space)};
	int status, fd;
	assert_int_equal(recvmsg(relay[0], &message, 0), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(identity_of_served(fd, &agent, &served) < 0);
	assert_int_equal(served.uid, 4711);
	close(fd);
	close(relay[0]);
	close(relay[1]);
}

/* A process in new namespaces: a grandchild, since the pid namespace is new for children only. It
 * ends with the pipe. Skipped where nobody may make them. */
static pid_t start_in(int flags, int *ret_end) {
	int ends[2], reports[2];
	pid_t pid = 0;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pipe(reports), 0);
	if (fork() == 0) {
		char byte;
		close(ends[1]);
		pid = unshare(flags) < 0 ? -errno : fork();
		if (pid == 0) {
			_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
		}
		_exit(write(reports[1], &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
	}
	assert_int_equal(read(reports[0], &pid, sizeof(pid)), sizeof(pid));
	close(ends[0]);
	close(reports[0]);
	close(reports[1]);
	*ret_end = ends[1];
	if (pid < 0) {
		close(ends[1]);
		skip();
	}
	return pid;
}

static bool is_apart(int flags) {
	struct identity identity = {0};
	int end;
	identity.pid = start_in(flags, &end);
	int is_ours = namespace_is_ours(identity.pid);
	assert_true(is_ours >= 0);
	assert_int_equal(identity_find_container(&identity), 0);
	/* These tests may run in a container that is known. */
	assert_int_equal(identity.apart, !is_ours && !identity_in_container(&identity));
	close(end);
	return !is_ours;
}

/* What container engines make without a cgroup: a process in pid or user namespaces of its own is
 * apart. A service of systemd's with mounts of its own is not. */
static void namespaces_are_apart(void **state) {
	struct identity identity = {.pid = getpid()};
	assert_int_equal(identity_find_container(&identity), 0);
	assert_false(identity.apart);
	assert_false(is_apart(CLONE_NEWNS));
	assert_true(is_apart(CLONE_NEWPID));
	assert_true(is_apart(CLONE_NEWUSER));
}

/* Who is gone is no process of ours. */
static void nobody_is_not_found(void **state) {
	struct identity identity = {.pid = fork()};
	if (identity.pid == 0) {
		_exit(0);
	}
	assert_int_equal(waitpid(identity.pid, NULL, 0), identity.pid);
	assert_true(identity_find_container(&identity) < 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptions),
		cmocka_unit_test(agents_act_for_those_they_serve),
		cmocka_unit_test(the_socket_tells_whom_it_serves),
		cmocka_unit_test(nobody_is_served),
		cmocka_unit_test(namespaces_are_apart),
		cmocka_unit_test(nobody_is_not_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
