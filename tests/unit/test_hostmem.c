/* The kernel's log, in which alone it stands that the host has no memory for a picture. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/kernellog.h"
#include "daemon/core/hostmem.h"
#include "rig.h"

/* As Linux 6.1 has it, and as drm_err() has it. */
#define OLD "3,512,94013772,-;[drm:virtio_gpu_dequeue_ctrl_func [virtio_gpu]] *ERROR* response "
#define NEW "3,9,1,-;virtio_gpu virtio0: [drm] *ERROR* response "

static void the_hosts_answers_are_counted(void **state) {
	static const char *const records[] = {
		OLD "0x1201 (command 0x101)\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:02.0\n",
		NEW "0x1203 (command 0x105)\n",
		OLD "0x1203 (command 0x103)\n",
		OLD "0x1202 (command 0x103)\n",              // not for want of memory
		OLD "0x12010 (command 0x103)\n",             // another number
		"11" NEW "0x1203 (command 0x103)\n",         // somebody's line, facility 14
		"3,1,2,-;x *ERROR* response 0x1203 (0x1)\n", // another driver's
		"6,1,2,-;virtio_gpu is here\n",
		"",
		"\n \n",
	};
	struct kernellog_refusals refusals = {0};
	int ends[2];
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	for (size_t i = 0; i < N_ELEMENTS(records); i++) {
		assert_true(write(ends[1], records[i], strlen(records[i])) >= 0);
		assert_int_equal(kernellog_read(ends[0], &refusals), records[i][0] != '\0');
	}
	assert_int_equal(kernellog_read(ends[0], &refusals), 0);
	assert_int_equal(refusals.no_memory, 1);
	assert_int_equal(refusals.no_resource, 2);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(kernellog_read(ends[0], &refusals), -EBADF);
}

/* Told once, and then nobody listens any more. */
static void it_is_warned_of_once(void **state) {
	struct rig *rig = *state;
	unsigned n_fds = count_fds(getpid());
	struct hostmem *hostmem = hostmem_watch(&rig->manager);
	assert_int_equal(count_fds(getpid()), n_fds + 1);
	fake_log("6,1,2,-;all is well\n");
	run_pending(rig->event);
	assert_false(rig->manager.host_is_full);
	fake_log(OLD "0x1203 (command 0x105)\n");
	run_until(rig->event, rig->manager.host_is_full);
	assert_int_equal(count_fds(getpid()), n_fds);
	fake_log(OLD "0x1203 (command 0x105)\n");
	run_pending(rig->event);
	hostmem_destroy(hostmem);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hosts_answers_are_counted),
		TEST(it_is_warned_of_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
