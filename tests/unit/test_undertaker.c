/* Closes that wait, and whom they keep waiting. */
#include "common/undertaker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/socket.h"
#include "support.h"

/* Its last close waits for an hour, since nobody reads what was sent. */
static int make_slow(int *ret_reader) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct linger linger = {.l_onoff = 1, .l_linger = 3600};
	socklen_t size = sizeof(address);
	char text[4096] = "";
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	*ret_reader = accept(listener, NULL, NULL);
	close(listener);
	while (send(fd, text, sizeof(text), MSG_DONTWAIT) > 0) {
	}
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

/* A connection whose peer has gone, with that queued in it. */
static int make_grave(int *ret_reader) {
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	int slow = make_slow(ret_reader);
	assert_int_equal(socket_pass(ends[1], &slow, 1), 0);
	close(slow);
	close(ends[1]);
	return ends[0];
}

static unsigned n_fds(void) {
	return count_fds(getpid());
}

/* The caller goes on at once, whoever of many waits, and however long. */
static void a_slow_close_keeps_nobody(void **state) {
	struct undertaker *undertaker;
	int readers[40];
	assert_int_equal(undertaker_new(&undertaker), 0);
	unsigned before = n_fds();
	for (size_t i = 0; i < N_ELEMENTS(readers); i++) {
		int grave = make_grave(&readers[i]);
		if (i % 2) {
			undertaker_hang_up(undertaker, grave);
		} else {
			undertaker_close(undertaker, grave);
		}
	}
	/* More of them than threads: each that comes ends the waiting of those before. */
	uint64_t since = patience_begin("all are closed");
	while (n_fds() > before + N_ELEMENTS(readers)) {
		undertaker_close(undertaker, open("/dev/null", O_RDONLY | O_CLOEXEC));
		patience_sleep(since);
	}
	patience_end();
	for (size_t i = 0; i < N_ELEMENTS(readers); i++) {
		close(readers[i]);
	}
	undertaker_destroy(undertaker);
}

/* What has nothing queued needs no thread. */
static void an_empty_one_is_closed_at_once(void **state) {
	struct undertaker *undertaker;
	int ends[2];
	assert_int_equal(undertaker_new(&undertaker), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	undertaker_hang_up(undertaker, ends[0]);
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	assert_int_equal(send(ends[1], "x", 1, MSG_NOSIGNAL), -1);
	close(ends[1]);
	undertaker_close(undertaker, -1);
	undertaker_destroy(undertaker);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_close_keeps_nobody),
		cmocka_unit_test(an_empty_one_is_closed_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
