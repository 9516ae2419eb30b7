/* One daemon takes over from another: both sides in one process, on the same fake card. */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "inventory.h"
#include "linger.h"
#include "parcel.h"
#include "passed.h"
#include "rig.h"
#include "successor.h"

#define V1 "card0-Virtual-1"
#define V2 "card0-Virtual-2"
#define V3 "card0-Virtual-3"
#define V4 "card0-Virtual-4"

/* The running daemon and the one that comes. */
struct relay {
	struct rig *rig;
	char *directory;
	struct handover *handover;
	unsigned n_replaced;

	sd_event *event;
	struct manager next;
	struct successor successor;
	struct passed passed;
};

static void on_replaced(void *data) {
	struct relay *relay = data;
	relay->n_replaced++;
}

static int setup(void **state) {
	struct relay *relay = calloc(1, sizeof(*relay));
	struct card_snapshot topology = fake_topology_virtio(4);
	struct config config = {.force_connect = true, .admin_gid = (gid_t)-1, .max_per_holder = 4};
	struct passed nothing = {0};
	relay->rig = rig_with_card(&topology);
	relay->directory = make_directory();
	const struct handover_parts parts = {
		relay->rig->event, &relay->rig->manager, relay->rig->monitor, NULL};
	assert_int_equal(handover_listen(&parts, &nothing, relay->directory, on_replaced, relay,
				 &relay->handover),
		0);
	assert_int_equal(sd_event_new(&relay->event), 0);
	manager_init(&relay->next, relay->event, &fake_card_ops, &config);
	relay->successor.socket = -1;
	*state = relay;
	return 0;
}

static int teardown(void **state) {
	struct relay *relay = *state;
	manager_finish(&relay->next);
	passed_finish(&relay->passed);
	sd_event_unref(relay->event);
	handover_destroy(relay->handover);
	rig_destroy(relay->rig); // asserts that no fd is left
	remove_directory(relay->directory);
	free(relay);
	return 0;
}

static bool is_readable(int fd) {
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

static void asks(struct relay *relay) {
	assert_int_equal(successor_ask(&relay->successor, relay->directory), 0);
}

/* The offer, or the error of a refusal. */
static int receives(struct relay *relay) {
	run_until(relay->rig->event, is_readable(relay->successor.socket));
	return successor_receive(&relay->successor, &relay->passed, &relay->next);
}

static void adopts(struct relay *relay) {
	assert_int_equal(inventory_adopt(&relay->next, &relay->passed), 0);
	run_until(relay->event, relay->next.preparing == 0);
}

/* What the end of its process does. */
static void dies(struct relay *relay) {
	passed_finish(&relay->passed);
	close(TAKE_FD(relay->successor.socket));
}

static void assert_same_lease(struct relay *relay, const struct answer *answer, const char *label,
	const struct identity *holder) {
	struct scanout *scanout = manager_find_scanout(&relay->next, answer->id);
	assert_non_null(scanout);
	assert_int_equal(scanout->state, SCANOUT_LEASED);
	assert_int_equal(scanout->lease->lessee, answer->lessee);
	assert_int_equal(scanout->lease->generation, answer->generation);
	assert_string_equal(scanout->lease->label, label);
	assert_true(identity_same_holder(&scanout->lease->holder, holder));
	assert_memory_equal(&scanout->objects, &answer->objects, sizeof(answer->objects));
	struct pollfd p = {.fd = answer->fd};
	assert_int_equal(poll(&p, 1, 0), 0); // the fake hangs up with the end of a lease
}

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

	asks(relay);
	assert_int_equal(receives(relay), 0);
	adopts(relay);
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
		asks(relay);
		assert_int_equal(receives(relay), 0);

		struct answer *waits = ask(rig, &user, .scanout = V2);
		assert_int_equal(waits->n, 0);
		assert_int_equal(rig_release(rig, &user, V1), REFUSAL_DEVICE_BUSY);
		answer_close(closed); // the kernel's event is left for who goes on
		run_pending(rig->event);
		assert_int_equal(rig_state(rig, V4), round == 0 ? SCANOUT_LEASED : SCANOUT_FREE);
		assert_int_equal(fake_count(FAKE_BLANK), blanked);

		dies(relay);
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

/* The running one dies: all is the other's already, and it need not be let go. */
static void the_running_one_dies(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	struct answer *a = ask(rig, &user, .label = "desk");
	asks(relay);
	assert_int_equal(receives(relay), 0);
	fake_hold(FAKE_SNAPSHOT); // a lessee holds a lock
	assert_int_equal(inventory_adopt(&relay->next, &relay->passed), 0);
	handover_destroy(TAKE_PTR(relay->handover));
	manager_finish(&rig->manager);
	assert_int_equal(successor_confirm(&relay->successor, &relay->next), 0);
	fake_release(FAKE_SNAPSHOT);
	run_until(relay->event, relay->next.preparing == 0);
	assert_same_lease(relay, a, "desk", &user);
}

/* While a card is not prepared the running one is not let go. */
static void a_card_that_waits_for_a_lock(void **state) {
	struct relay *relay = *state;
	struct answer *a = ask(relay->rig, &user, .label = "desk");
	asks(relay);
	assert_int_equal(receives(relay), 0);
	fake_hold(FAKE_SNAPSHOT);
	assert_int_equal(inventory_adopt(&relay->next, &relay->passed), 0);
	assert_int_equal(successor_confirm(&relay->successor, &relay->next), -EBUSY);
	run_pending(relay->rig->event);
	assert_int_equal(relay->n_replaced, 0);
	fake_release(FAKE_SNAPSHOT);
	run_until(relay->event, relay->next.preparing == 0);
	assert_int_equal(successor_confirm(&relay->successor, &relay->next), 0);
	run_until(relay->rig->event, relay->n_replaced == 1);
	assert_same_lease(relay, a, "desk", &user);
}

/* A scanout that is being blanked is waited for. */
static void a_card_that_works_is_waited_for(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	struct answer *a = rig_get(rig, &user, V1);
	fake_hold(FAKE_BLANK);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_DRAINING);
	asks(relay);
	run_pending(rig->event);
	assert_false(is_readable(relay->successor.socket));
	assert_granted(rig_get(rig, &user, V2), V2); // nothing rests yet
	fake_release(FAKE_BLANK);
	assert_int_equal(receives(relay), 0);
	assert_int_equal(rig_state(rig, V1), SCANOUT_FREE);
	dies(relay);
	run_until(rig->event, !rig->manager.resting);
}

static void a_stuck_scanout_is_refused(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	struct answer *a = rig_get(rig, &user, V1);
	fake_fail(FAKE_BLANK, 0, 1, -EIO);
	answer_close(a);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_STUCK);
	asks(relay);
	assert_int_equal(receives(relay), -EBUSY);
	assert_false(rig->manager.resting);
	dies(relay);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
}

/* One that does not end is not waited for beyond its time. */
static void a_card_that_works_on(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	fake_hold(FAKE_SNAPSHOT);
	inventory_update(&rig->manager, TAILQ_FIRST(&rig->manager.cards));
	asks(relay);
	assert_int_equal(receives(relay), -EBUSY);
	assert_granted(rig_get(rig, &user, V1), V1);
	fake_release(FAKE_SNAPSHOT);
	dies(relay);
}

/* What a seat manager opened it also takes back. */
static void a_seat_is_refused(void **state) {
	struct relay *relay = *state;
	relay->rig->manager.seat = (struct seat *)relay; // nobody looks into it
	asks(relay);
	assert_int_equal(receives(relay), -EBUSY);
	relay->rig->manager.seat = NULL;
	dies(relay);
}

/* A picture that lingers goes over as it stands, with what is left of its time. */
static void a_lingering_picture_goes_over(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	linger_on(rig, UINT64_C(3600000000));
	unsigned blanked = fake_count(FAKE_BLANK);
	uint64_t until = linger_until(rig_scanout(rig, V1));
	asks(relay);
	assert_int_equal(receives(relay), 0);
	adopts(relay);
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
	asks(relay);
	assert_int_equal(receives(relay), 0);
	run_until(rig->event, now_usec() > until + 100000);
	assert_int_equal(fake_count(FAKE_BLANK), blanked);
	dies(relay);
	run_until(rig->event, rig_state(rig, V1) == SCANOUT_FREE);
	assert_int_equal(fake_count(FAKE_BLANK), blanked + 1);
}

/* The second is refused, whatever becomes of the first. */
static void one_at_a_time(void **state) {
	struct relay *relay = *state;
	struct successor second;
	struct passed nothing = {0};
	asks(relay);
	assert_int_equal(receives(relay), 0);
	assert_int_equal(successor_ask(&second, relay->directory), 0);
	run_until(relay->rig->event, is_readable(second.socket));
	assert_int_equal(successor_receive(&second, &nothing, &relay->next), -EBUSY);
	assert_int_equal(nothing.n, 0);
	close(second.socket);
	adopts(relay);
	assert_int_equal(successor_confirm(&relay->successor, &relay->next), 0);
	run_until(relay->rig->event, relay->n_replaced == 1);
}

static void a_service_is_refused(void **state) {
	struct relay *relay = *state;
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("SYSTEMD_EXEC_PID", pid, true);
	asks(relay);
	assert_int_equal(receives(relay), -EBUSY);
	close(relay->successor.socket);
	setenv("SYSTEMD_EXEC_PID", "1", true); // a descendant of one is none
	setenv("NOTIFY_SOCKET", "/nonexistent", true);
	asks(relay);
	assert_int_equal(receives(relay), 0);
	unsetenv("SYSTEMD_EXEC_PID");
	unsetenv("NOTIFY_SOCKET");
	dies(relay);
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

/* Answers of a daemon that is not like ours: an error, nothing taken, nothing left open. */
static void strange_answers(void **state) {
	struct relay *relay = *state;
	int ends[2];
	AUTO_CLOSE int file = memfd_create("file", MFD_CLOEXEC);
	static const struct {
		const char *text;
		size_t n_fds;
		int error;
	} answers[] = {
		{"offer 2\nleases", 1, -EPROTO},
		{"garbage", 0, -EPROTO},
		{"refused\nno", 0, -EBUSY},
		{"refused", 0, -EPROTO},
		{"offer 1", 0, -ENODATA},
		{"offer 1\nleases", 0, -ENODATA},
		{"offer 1\nleases", 1, -EINVAL}, // an empty table
		{"offer 1\nleases", 2, -EINVAL},
		{"", 0, -EPIPE},
	};
	for (size_t i = 0; i < N_ELEMENTS(answers); i++) {
		struct successor successor;
		struct passed passed = {0};
		unsigned n_fds = count_fds(getpid());
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
		successor.socket = ends[0];
		if (answers[i].text[0] != '\0') {
			assert_int_equal(parcel_send(ends[1], answers[i].text,
						 (const int[]){file, file}, answers[i].n_fds),
				0);
		}
		close(ends[1]);
		assert_int_equal(
			successor_receive(&successor, &passed, &relay->next), answers[i].error);
		passed_finish(&passed);
		close(ends[0]);
		assert_int_equal(count_fds(getpid()), n_fds);
	}
}

/* A card that the new daemon cannot use is a reason to stop, not to go on without it. */
static void a_card_that_cannot_be_used(void **state) {
	struct relay *relay = *state;
	struct answer *a = rig_get(relay->rig, &user, V1);
	asks(relay);
	assert_int_equal(receives(relay), 0);
	fake_fail(FAKE_OPEN, 0, 1, -EACCES);
	assert_int_equal(inventory_adopt(&relay->next, &relay->passed), -EACCES);
	dies(relay);
	run_until(relay->rig->event, !relay->rig->manager.resting);
	assert_int_equal(rig_release(relay->rig, &user, V1), REFUSAL_NONE);
	answer_close(a);
}

/* No daemon, or only the socket of one that crashed. */
static void nobody_listens(void **state) {
	struct relay *relay = *state;
	struct successor successor;
	struct passed passed = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_FREE char *elsewhere = NULL;
	assert_true(asprintf(&elsewhere, "%s/elsewhere", relay->directory) > 0);
	assert_int_equal(mkdir(elsewhere, 0755), 0);
	assert_int_equal(successor_ask(&successor, elsewhere), -ENOENT);
	assert_int_equal(successor_take_over(&successor, elsewhere, &passed, &relay->next), 0);
	assert_int_equal(successor.socket, -1);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", elsewhere);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(successor_ask(&successor, elsewhere), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(leases_go_over),
		TEST(the_other_dies),
		TEST(the_running_one_dies),
		TEST(a_card_that_waits_for_a_lock),
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
		TEST(strange_answers),
		TEST(a_card_that_cannot_be_used),
		TEST(nobody_listens),
	};
	unsetenv("NOTIFY_SOCKET");
	unsetenv("SYSTEMD_EXEC_PID");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
