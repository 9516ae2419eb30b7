/* A daemon hands over to another: what goes over, when it refuses, and to whom. */
#include "handover.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "inventory.h"
#include "linger.h"
#include "relay.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define V3 "card0-Virtual-3"
#define V4 "card0-Virtual-4"

/* The last picture of a holder that is gone, on V1. */
static void linger_on(struct rig *rig, uint64_t usec) {
	struct identity asker = spawn_asker(&user);
	struct answer *answer =
		ask(rig, &asker, .label = "desk", .scanout = V1, .linger_usec = usec);
	assert_granted(answer, V1);
	answer_close(answer);
	end_asker(&asker);
	run_until(rig->event, linger_is_on(rig_scanout(rig, V1)));
}

/* The table is the same, the old one ends, and no lease notices. */
static void leases_go_over(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	struct answer *a = ask(rig, &user, .label = "desk", .scanout = V3);
	struct answer *b = ask(rig, &container_a, .scanout = V1);
	assert_granted(a, V3);
	assert_granted(b, V1);
	rig->manager.leases.last_generation = UINT64_C(1) << 60;

	relay_ask(relay);
	assert_int_equal(relay_receive(relay), 0);
	relay_adopt(relay);
	assert_int_equal(relay->n_replaced, 0);
	assert_int_equal(successor_confirm(&relay->successor, &relay->next), 0);
	run_until(rig->event, relay->n_replaced == 1);

	handover_destroy(TAKE_PTR(relay->handover));
	manager_finish(&rig->manager);
	assert_true(fake_card_is_open(rig->card));
	assert_int_equal(fake_card_n_lessees(rig->card), 2);
	assert_same_lease(relay, a, "desk", &user);
	assert_same_lease(relay, b, "", &container_a);
	assert_int_equal(manager_find_scanout(&relay->next, V2)->state, SCANOUT_FREE);
	assert_int_equal(relay->next.leases.last_generation, UINT64_C(1) << 60);

	/* It can end them as its own. */
	struct refusal refusal;
	assert_int_equal(manager_release(&relay->next, &user, V3, &refusal), REFUSAL_NONE);
	run_until(relay->event, manager_find_scanout(&relay->next, V3)->state == SCANOUT_FREE);
	assert_int_equal(fake_card_n_lessees(rig->card), 1);
}

/* From the offer on nothing begins or ends; if the other dies then, all goes on. */
static void the_other_dies(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	struct answer *a = rig_get(rig, &user, V1);
	struct answer *closed = rig_get(rig, &user, V4);
	for (unsigned round = 0; round < 3; round++) {
		unsigned blanked = fake_count(FAKE_BLANK);
		relay_ask(relay);
		assert_int_equal(relay_receive(relay), 0);

		struct answer *waits = ask(rig, &user, .scanout = V2);
		assert_int_equal(waits->n, 0);
		assert_int_equal(rig_release(rig, &user, V1), REFUSAL_DEVICE_BUSY);
		answer_close(closed); // the kernel's event is left for who goes on
		run_pending(rig->event);
		assert_int_equal(rig_state(rig, V4), round == 0 ? SCANOUT_LEASED : SCANOUT_FREE);
		assert_int_equal(fake_count(FAKE_BLANK), blanked);

		relay_die(relay);
		run_until(rig->event, waits->n == 1);
		assert_granted(waits, V2);
		run_until(rig->event, rig_state(rig, V4) == SCANOUT_FREE);
		assert_int_equal(rig_state(rig, V1), SCANOUT_LEASED);
		assert_int_equal(rig_release(rig, &user, V2), REFUSAL_NONE);
		answer_close(waits);
		run_until(rig->event, rig_state(rig, V2) == SCANOUT_FREE);
	}
	assert_int_equal(relay->n_replaced, 0);
	assert_granted(a, V1);
}

/* A scanout that is being blanked is waited for. */
static void a_card_that_works_is_waited_for(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	struct answer *a = rig_get(rig, &user, V1);
	fake_hold(FAKE_BLANK);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_DRAINING);
	relay_ask(relay);
	run_pending(rig->event);
	assert_false(is_readable(relay->successor.socket));
	assert_granted(rig_get(rig, &user, V2), V2); // nothing rests yet
	fake_release(FAKE_BLANK);
	assert_int_equal(relay_receive(relay), 0);
	assert_int_equal(rig_state(rig, V1), SCANOUT_FREE);
	relay_die(relay);
	run_until(rig->event, !rig->manager.resting);
}

static void a_stuck_scanout_is_refused(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	struct answer *a = rig_get(rig, &user, V1);
	fake_fail(FAKE_BLANK, 0, 1, -EIO);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_STUCK);
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), -EBUSY);
	assert_false(rig->manager.resting);
	relay_die(relay);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
}

/* One that does not end is not waited for beyond its time. */
static void a_card_that_works_on(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	fake_hold(FAKE_SNAPSHOT);
	inventory_update(&rig->manager, TAILQ_FIRST(&rig->manager.cards));
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), -EBUSY);
	assert_granted(rig_get(rig, &user, V1), V1);
	fake_release(FAKE_SNAPSHOT);
	relay_die(relay);
}

/* What a seat manager opened it also takes back. */
static void a_seat_is_refused(void **state) {
	struct relay *relay = *state;
	relay->rig->manager.seat = (struct seat *)relay; // nobody looks into it
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), -EBUSY);
	relay->rig->manager.seat = NULL;
	relay_die(relay);
}

/* A picture that lingers goes over as it stands, with what is left of its time. */
static void a_lingering_picture_goes_over(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	linger_on(rig, UINT64_C(3600000000));
	unsigned blanked = fake_count(FAKE_BLANK);
	uint64_t until = linger_until(rig_scanout(rig, V1));
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), 0);
	relay_adopt(relay);
	assert_int_equal(successor_confirm(&relay->successor, &relay->next), 0);
	run_until(rig->event, relay->n_replaced == 1);
	struct scanout *scanout = manager_find_scanout(&relay->next, V1);
	run_until(relay->event, linger_is_on(scanout));
	assert_int_equal(linger_until(scanout), until);
	assert_string_equal(scanout->last_label, "desk");
	/* All but the one whose picture stands: the boot's pictures are gone long since. */
	assert_int_equal(fake_count(FAKE_BLANK), blanked + 3);
	linger_cut(scanout);
	run_until(relay->event, scanout->state == SCANOUT_FREE);
}

/* Its time is over while the other prepares the card: it is left to that one, or blanked later. */
static void a_lingering_picture_is_left_alone(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	linger_on(rig, 300000);
	unsigned blanked = fake_count(FAKE_BLANK);
	uint64_t until = linger_until(rig_scanout(rig, V1));
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), 0);
	run_until(rig->event, now_usec() > until + 100000);
	assert_int_equal(fake_count(FAKE_BLANK), blanked);
	relay_die(relay);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_count(FAKE_BLANK), blanked + 1);
}

/* The second is refused, whatever becomes of the first. */
static void one_at_a_time(void **state) {
	struct relay *relay = *state;
	struct successor second;
	struct passed nothing = {0};
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), 0);
	assert_int_equal(successor_ask(&second, relay->directory), 0);
	run_until(relay->rig->event, is_readable(second.socket));
	assert_int_equal(successor_receive(&second, &nothing, &relay->next), -EBUSY);
	assert_int_equal(nothing.n, 0);
	close(second.socket);
	relay_adopt(relay);
	assert_int_equal(successor_confirm(&relay->successor, &relay->next), 0);
	run_until(relay->rig->event, relay->n_replaced == 1);
}

static void a_service_is_refused(void **state) {
	struct relay *relay = *state;
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("SYSTEMD_EXEC_PID", pid, true);
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), -EBUSY);
	close(relay->successor.socket);
	setenv("SYSTEMD_EXEC_PID", "1", true); // a descendant of one is none
	setenv("NOTIFY_SOCKET", "/nonexistent", true);
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), 0);
	unsetenv("SYSTEMD_EXEC_PID");
	unsetenv("NOTIFY_SOCKET");
	relay_die(relay);
	run_until(relay->rig->event, !relay->rig->manager.resting);
}

/* Runs in a child, since it is killed or turned away. Returns its pid. */
static pid_t fork_caller(struct relay *relay, int (*act)(struct relay *relay)) {
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(act(relay));
	}
	return pid;
}

/* 0: turned away without an answer. */
static int as_a_stranger(struct relay *relay) {
	char text[16];
	if (setgid(65534) < 0 || setuid(65534) < 0) {
		return 3;
	}
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", relay->directory);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return errno == EACCES ? 4 : 5;
	}
	return recv(fd, text, sizeof(text), 0) == 0 ? 0 : 6;
}

static bool has_exited(pid_t pid, int *ret) {
	return waitpid(pid, ret, WNOHANG) == pid;
}

/* The mode of the socket keeps others out, and so does the daemon. */
static void strangers_get_nothing(void **state) {
	struct relay *relay = *state;
	int status;
	char path[128];
	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(chmod(relay->directory, 0755), 0);
	assert_int_equal(wait_for_exit(fork_caller(relay, as_a_stranger)), 4 << 8);

	snprintf(path, sizeof(path), "%s/control", relay->directory);
	assert_int_equal(chmod(path, 0666), 0);
	pid_t pid = fork_caller(relay, as_a_stranger);
	run_until(relay->rig->event, has_exited(pid, &status));
	assert_int_equal(status, 0);
	assert_false(relay->rig->manager.resting);
}

/* Takes everything, says something else, and stays. */
static int as_a_babbler(struct relay *relay) {
	if (successor_ask(&relay->successor, relay->directory) < 0 ||
		successor_receive(&relay->successor, &relay->passed, &relay->next) < 0) {
		return 3;
	}
	send(relay->successor.socket, "done!", 5, 0);
	pause();
	return 4;
}

/* One that has the cards and does not do as it should is ended, and that is waited for: it might
 * work on them still. */
static void a_babbler_is_killed(void **state) {
	struct relay *relay = *state;
	int status;
	struct answer *a = rig_get(relay->rig, &user, V1);
	pid_t pid = fork_caller(relay, as_a_babbler);
	run_until(relay->rig->event, has_exited(pid, &status));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	run_until(relay->rig->event, !relay->rig->manager.resting);
	assert_int_equal(rig_release(relay->rig, &user, V1), REFUSAL_NONE);
	answer_close(a);
	assert_int_equal(relay->n_replaced, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(leases_go_over),
		TEST(the_other_dies),
		TEST(a_card_that_works_is_waited_for),
		TEST(a_card_that_works_on),
		TEST(a_stuck_scanout_is_refused),
		TEST(a_seat_is_refused),
		TEST(a_lingering_picture_goes_over),
		TEST(a_lingering_picture_is_left_alone),
		TEST(one_at_a_time),
		TEST(a_service_is_refused),
		TEST(strangers_get_nothing),
		TEST(a_babbler_is_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
