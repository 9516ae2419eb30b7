/*
 * Where other lease managers break: the same situation, and the right outcome. Who does what was
 * read in the sources of AGL's drm-lease-manager, Helix' drm-manager and the compositors that
 * lease. Those whose situation another test has already are named in docs/reliability.md alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus_rig.h"
#include "rig.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"

/* Helix sends the fd, fails, frees the scanout and keeps the entry: it is in the free list twice
 * from then on, and two tenants get it. AGL's slot stays taken for ever. */
static void a_failed_answer_frees_it_once(void **state) {
	struct rig *rig = *state;
	for (unsigned i = 0; i < 8; i++) {
		rig->n_answers = 0;
		answer_close(rig_get(rig, &user, NULL)); // what the bus does if it cannot send it
		run_until(rig->event, rig_all_free(rig));
	}
	rig->n_answers = 0;
	for (unsigned i = 0; i < 4; i++) {
		struct answer *a = rig_get(rig, &root, NULL);
		for (unsigned k = 0; k < i; k++) {
			assert_string_not_equal(a->id, rig->answers[k].id);
		}
	}
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	assert_int_equal(fake_card_n_lessees(rig->card), 4);
}

/* Helix: a release, then the end of the socket, and both end "the lease of this scanout": the
 * second one is the next tenant's. */
static void released_and_then_closed_ends_once(void **state) {
	struct rig *rig = *state;
	struct answer *old = rig_get(rig, &user, V1);
	assert_int_equal(rig_release(rig, &user, V1), REFUSAL_NONE);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	rig_get(rig, &container_a, V1);
	answer_close(old);
	run_pending(rig->event);
	fake_send(CARD_EVENT_LEASE, "/dev/dri/card0");
	run_pending(rig->event);
	assert_int_equal(rig->n_ended, 1);
	assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
	assert_int_equal(fake_card_n_lessees(rig->card), 1);
}

/* AGL appends the planes of each connector without a look at those it has: a plane that two
 * CRTCs can use is in the list twice, which is a heap overflow there and ENOSPC in the kernel. */
static void shared_planes_are_named_once(void **state) {
	struct card_snapshot topology = fake_topology_shared_planes(3, 3, 3);
	struct rig *rig = rig_with_card(&topology);
	uint32_t planes = 0;
	for (unsigned i = 0; i < 3; i++) {
		struct answer *a = rig_get(rig, &root, NULL); // the fake refuses like the kernel
		for (unsigned k = 0; k < a->objects.n_planes; k++) {
			uint32_t bit = UINT32_C(1) << (a->objects.planes[k] - FAKE_PLANE(0)) / 5;
			assert_false(planes & bit);
			planes |= bit;
		}
	}
	rig_destroy(rig);
}

/* AGL and Mutter pick a CRTC and do not mark it: the second pick is the same one, and EBUSY. */
static void no_crtc_is_picked_twice(void **state) {
	struct card_snapshot topology = fake_topology_floating_crtcs(4, 3);
	struct rig *rig = rig_with_card(&topology);
	for (unsigned i = 0; i < 3; i++) {
		struct answer *a = rig_get(rig, &root, NULL);
		for (unsigned k = 0; k < i; k++) {
			assert_int_not_equal(a->objects.crtc, rig->answers[k].objects.crtc);
		}
	}
	unsigned created = fake_count(FAKE_CREATE);
	assert_refused(ask(rig, &root), SCANOUT_ERROR_NO_FREE);
	assert_int_equal(fake_count(FAKE_CREATE), created); // the kernel was not even asked
	rig_destroy(rig);
}

/* COSMIC reserves a CRTC for each connector and forgets those of a hub that is unplugged, until
 * none is left. */
static void the_crtc_of_a_vanished_connector_is_free_again(void **state) {
	struct card_snapshot topology = fake_topology_floating_crtcs(4, 1);
	struct rig *rig = rig_with_card(&topology);
	for (unsigned i = 0; i < 3; i++) {
		struct answer *a = rig_get(rig, &root, NULL);
		/* The snapshot's order is the scanouts', so the place is found by its id. */
		int place = card_find_connector(
			TAILQ_FIRST(&rig->manager.cards), rig_scanout(rig, a->id)->connector);
		fake_card_drop_connector(rig->card, (unsigned)place);
		fake_send(CARD_EVENT_HOTPLUG, "/dev/dri/card0");
		run_until(rig->event, rig->n_ended == i + 1);
		assert_int_equal(rig->last_reason, LEASE_UNPLUGGED);
		run_until(rig->event, rig_state(rig, a->id) == SCANOUT_ABSENT);
	}
	rig_get(rig, &root, NULL);
	rig_destroy(rig);
}

static void assert_hung_up(int fd) {
	char text[4096];
	do {
		wait_readable(fd, "the daemon hangs up");
	} while (recv(fd, text, sizeof(text), 0) > 0);
}

/* AGL: whoever connects to the lease's socket and leaves ends the lease of whoever has it. */
static void a_stranger_who_leaves_ends_nothing(void **state) {
	struct bus_rig *rig = *state;
	char id[64];
	AUTO_CLOSE int lease = get_lease(rig->client, id);
	for (int i = 0; i < 8; i++) {
		AUTO_BUS sd_bus *passer_by = bus_rig_connect(rig);
		assert_int_equal(count_free(passer_by), 3);
		close(bus_rig_guest_socket(rig));
	}
	AUTO_FREE char *now = scanout_property(rig->client, id, "State");
	assert_string_equal(now, "leased");
	struct pollfd p = {.fd = lease};
	assert_int_equal(poll(&p, 1, 0), 0); // and in the kernel
}

/* Somebody else's request over the guest socket. Returns 0 if it is granted. */
static int ask_as_a_stranger(struct bus_rig *rig) {
	AUTO_FREE char *address = NULL;
	char error[128];
	sd_bus *bus = NULL;
	if (setgid(65534) < 0 || setuid(65534) < 0 ||
		asprintf(&address, "unix:path=%s/guest", rig->directory) < 0) {
		return 1;
	}
	if (bus_rig_try_connect(address, false, &bus) < 0) {
		return 2;
	}
	call_for_error(error, sizeof(error), bus, "RequestScanout", "a{sv}", 0);
	return error[0] == '\0' ? 0 : 3;
}

/* AGL has two slots for clients: one that connects and says nothing keeps everybody out. */
static void idle_connections_hold_up_nobody(void **state) {
	struct bus_rig *rig = *state;
	int idle[40];
	close(get_lease(rig->client, NULL));
	wait_for_free(rig->client, 4);
	unsigned n_fds = count_fds(rig->daemon);
	for (size_t i = 0; i < N_ELEMENTS(idle); i++) {
		idle[i] = bus_rig_guest_socket(rig);
	}
	assert_hung_up(idle[N_ELEMENTS(idle) - 1]); // one holder has no more than 32
	AUTO_CLOSE int lease = get_lease(rig->client, NULL);
	if (geteuid() == 0) { // only root can be somebody else
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			_exit(ask_as_a_stranger(rig));
		}
		assert_int_equal(wait_for_exit(pid), 0);
	}
	for (size_t i = 0; i < N_ELEMENTS(idle); i++) {
		close(idle[i]);
	}
	lease = (close(lease), -1); // the fake kernel's end of it is in the daemon, too
	wait_until(count_fds(rig->daemon) == n_fds);
}

/* AGL keeps the slot of who sends an unknown opcode; to Helix any stray byte is a release. */
static void garbage_is_nobody_s_release(void **state) {
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\n\r\n", "\1\2\3\4", "AUTH ANONYMOUS\r\nDATA\r\nBEGIN\r\nl\377"};
	struct bus_rig *rig = *state;
	char id[64], text[256];
	int fds[N_ELEMENTS(texts)];
	AUTO_CLOSE int lease = get_lease(rig->client, id);
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		fds[i] = bus_rig_guest_socket(rig);
		memset(text, 0xff, sizeof(text));
		text[0] = '\0'; // as every client begins
		memcpy(text + 1, texts[i], strlen(texts[i]));
		assert_int_equal(send(fds[i], text, sizeof(text), MSG_NOSIGNAL), sizeof(text));
	}
	assert_hung_up(fds[2]); // the others may still become a handshake
	AUTO_FREE char *now = scanout_property(rig->client, id, "State");
	assert_string_equal(now, "leased");
	assert_int_equal(count_free(rig->client), 3);
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		close(fds[i]);
	}
}

/* Whom an idle or deaf client holds up: not the end of the daemon either, which is what a restart
 * waits for. */
static void idle_connections_do_not_delay_the_end(void **state) {
	struct bus_rig *rig = *state;
	AUTO_CLOSE int idle = bus_rig_guest_socket(rig);
	AUTO_BUS sd_bus *deaf = bus_rig_guest(rig);
	assert_int_equal(count_free(deaf), 4);
	/* Its own answers fill its socket; more than so many unread ones would end it. */
	for (int i = 0; i < 200; i++) {
		AUTO_MESSAGE sd_bus_message *m = NULL;
		assert_true(
			sd_bus_message_new_method_call(deaf, &m, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH,
				"org.freedesktop.DBus.Introspectable", "Introspect") >= 0);
		assert_true(sd_bus_send(deaf, m, NULL) >= 0);
	}
	assert_true(sd_bus_flush(deaf) >= 0);
	for (int i = 0; i < 50; i++) { // all of them are taken by then
		assert_int_equal(count_free(rig->client), 4);
	}
	bus_rig_stop_daemon(rig);
}

/* AGL opens card, sockets and leases without O_CLOEXEC. What is started by whoever has inherited
 * a lease holds it for ever. */
static void no_file_survives_an_exec(void **state) {
	struct bus_rig *rig = *state;
	char path[64], line[256];
	AUTO_CLOSE int lease = get_lease(rig->client, NULL), guest = bus_rig_guest_socket(rig);
	unsigned n = 0;
	for (int fd = 3; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)rig->daemon, fd);
		AUTO_FCLOSE FILE *info = fopen(path, "re");
		unsigned long flags = O_CLOEXEC; // of one that was closed before it was read
		while (info && fgets(line, sizeof(line), info)) {
			if (strncmp(line, "flags:", 6) == 0) {
				flags = strtoul(line + 6, NULL, 8);
				n++;
			}
		}
		if (info && !(flags & O_CLOEXEC)) {
			fail_msg("%s survives: %lo", path, flags);
		}
	}
	assert_true(n >= 6); // card, worker, loop, bus, guest socket, monitor
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define BUS_TEST(name) cmocka_unit_test_setup_teardown(name, bus_rig_setup, bus_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_failed_answer_frees_it_once),
		RIG_TEST(released_and_then_closed_ends_once),
		cmocka_unit_test(shared_planes_are_named_once),
		cmocka_unit_test(no_crtc_is_picked_twice),
		cmocka_unit_test(the_crtc_of_a_vanished_connector_is_free_again),
		BUS_TEST(a_stranger_who_leaves_ends_nothing),
		BUS_TEST(idle_connections_hold_up_nobody),
		BUS_TEST(garbage_is_nobody_s_release),
		BUS_TEST(idle_connections_do_not_delay_the_end),
		BUS_TEST(no_file_survives_an_exec),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
