/*
 * What QEMU may say to a listener once the handshake is over, while somebody looks at the pictures.
 * The first byte chooses the fd that comes with it, and whether its memory is cut short before the
 * look.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "host/listener.h"
#include "host/picture.h"

#define MAX_ROUNDS 100000
#define MEMORY (64 * 48 * 4)
/* The reading is what is looked for; a picture of 16384x16384 takes as long as a thousand others.
 */
#define MAX_PIXELS (1024 * 1024)

static const char handshake[] = "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";

static void run(sd_event *event) {
	int rounds = 0;
	while (sd_event_run(event, 0) > 0) {
		assert(++rounds < MAX_ROUNDS);
	}
}

static int open_fd(unsigned choice) {
	switch (choice & 3) {
	case 0:
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	case 1: {
		int ends[2];
		assert(pipe2(ends, O_CLOEXEC) == 0);
		close(ends[1]);
		return ends[0];
	}
	default: {
		int fd = memfd_create("picture", MFD_CLOEXEC);
		assert(fd >= 0 && ftruncate(fd, MEMORY) == 0);
		return fd;
	}
	}
}

/* All at once, with the fd; what the socket does not take is not sent. */
static void feed(int fd, const uint8_t *data, size_t size, int passed) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {(void *)data, size};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	(void)sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Everything of the picture is read, and the pages are there or the guard helps. */
static void look(struct screen *screen, struct viewer *viewer, struct picture *picture) {
	struct screen_news news;
	bool is_changed;
	screen_take(screen, viewer, &news);
	if (news.frame.map && !rect_is_empty(&news.damage) &&
		(uint64_t)news.frame.width * news.frame.height <= MAX_PIXELS) {
		assert(news.damage.x + news.damage.width <= news.frame.width);
		assert(news.damage.y + news.damage.height <= news.frame.height);
		(void)picture_read(picture, &news.frame, &news.damage, &is_changed);
	}
	map_unref(news.frame.map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	AUTO_CLOSE int passed = -1;
	struct listener *listener;
	struct picture picture = {0};
	struct screen screen;
	struct viewer viewer;
	sd_event *event;
	int ends[2];
	if (size < 2) {
		return 0;
	}
	passed = open_fd(data[0]);
	assert(map_guard() == 0);
	assert(sd_event_new(&event) >= 0);
	screen_init(&screen);
	assert(screen_add_viewer(&screen, &viewer) == 0);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	assert(listener_create(&listener, event, ends[0], "fuzz", &screen, false) == 0);
	run(event);
	assert(send(ends[1], handshake, sizeof(handshake) - 1, MSG_NOSIGNAL) > 0);
	run(event);

	feed(ends[1], data + 1, size - 1, passed);
	run(event);
	if (data[0] & 4) {
		(void)ftruncate(passed, 0);
	}
	look(&screen, &viewer, &picture);
	shutdown(ends[1], SHUT_WR);
	run(event);
	assert(!screen.frame.map);

	listener_destroy(listener);
	screen_remove_viewer(&screen, &viewer);
	screen_finish(&screen);
	picture_finish(&picture);
	sd_event_unref(event);
	close(ends[1]);
	return 0;
}
