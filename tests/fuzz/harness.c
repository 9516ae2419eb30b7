#undef NDEBUG
#include "harness.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than any input can cause; a loop that never comes to rest is a fault. */
#define MAX_ROUNDS 100000

static int take_lease(void *data, int client_fd) {
	struct harness *harness = data;
	harness->n_held++;
	assert(harness->n_held == 1);
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void drop_lease(void *data) {
	struct harness *harness = data;
	harness->n_held--;
	assert(harness->n_held == 0);
}

static void log_line(void *data, int priority, const char *text) {
	assert(text[0] != '\0');
}

static const struct seat_lender lender = {
	.take_lease = take_lease,
	.drop_lease = drop_lease,
	.log = log_line,
};

void harness_init(struct harness *harness) {
	static const char *const inputs[] = {"/dev/input/event*", NULL};
	struct stat st;
	assert(stat("/dev/null", &st) == 0);
	struct seat_options options = {
		.session = "scanout3",
		.name = "seat0",
		.card = "/dev/null",
		.devnum = st.st_rdev,
		.inputs = inputs,
	};
	*harness = (struct harness){0};
	assert(sd_event_new(&harness->event) >= 0);
	assert(seat_create(&harness->seat, harness->event, &options, &lender, harness) >= 0);
}

void harness_finish(struct harness *harness) {
	assert(harness->n_held == 0);
	seat_destroy(harness->seat);
	sd_event_unref(harness->event);
}

void harness_run(struct harness *harness) {
	int rounds = 0;
	while (sd_event_run(harness->event, 0) > 0) {
		assert(++rounds < MAX_ROUNDS);
	}
}

void harness_feed(struct harness *harness, int fd, const void *data, size_t size) {
	const char *rest = data;
	while (size > 0) {
		ssize_t sent = send(fd, rest, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0) {
			break; /* hung up on, or full for good */
		}
		rest += sent;
		size -= sent;
		harness_run(harness);
	}
	shutdown(fd, SHUT_WR);
	harness_run(harness);
}
