/* The daemon that takes over: what it does when the other side does not do its part. */
#include "successor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "inventory.h"
#include "parcel.h"
#include "relay.h"

#define V1 "card0-Virtual-1"

/* The running one dies: all is the other's already, and it need not be let go. */
static void the_running_one_dies(void **state) {
	struct relay *relay = *state;
	struct rig *rig = relay->rig;
	struct answer *a = ask(rig, &user, .label = "desk");
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), 0);
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
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), 0);
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
	relay_ask(relay);
	assert_int_equal(relay_receive(relay), 0);
	fake_fail(FAKE_OPEN, 0, 1, -EACCES);
	assert_int_equal(inventory_adopt(&relay->next, &relay->passed), -EACCES);
	relay_die(relay);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(the_running_one_dies),
		TEST(a_card_that_waits_for_a_lock),
		TEST(strange_answers),
		TEST(a_card_that_cannot_be_used),
		TEST(nobody_listens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
