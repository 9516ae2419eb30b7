#include "fake_event.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_card.h"
#include "fake_gate.h"

#define MAX_EVENTS 64

static struct {
	int epoll_fd, wake_fd;
	struct card_event events[MAX_EVENTS];
	unsigned n_events;
	bool lost, quiet;
	int log[2]; // the reader's end and ours: a datagram is a record
} fake;

void fake_events_init(void) {
	fake.n_events = 0;
	fake.lost = fake.quiet = false;
	int r = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fake.log);
	assert(r == 0);
	fake.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	fake.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN};
	r = epoll_ctl(fake.epoll_fd, EPOLL_CTL_ADD, fake.wake_fd, &event);
	assert(r == 0);
}

void fake_events_finish(void) {
	close(fake.log[0]);
	close(fake.log[1]);
	close(fake.epoll_fd);
	close(fake.wake_fd);
}

void fake_push_event(enum card_event_type type, const char *device) {
	uint64_t one = 1;
	for (unsigned i = 0; i < fake.n_events; i++) {
		if (fake.events[i].type == type && strcmp(fake.events[i].device, device) == 0) {
			return; // says it already
		}
	}
	assert(fake.n_events < MAX_EVENTS);
	struct card_event *event = &fake.events[fake.n_events++];
	event->type = type;
	snprintf(event->device, sizeof(event->device), "%s", device);
	ssize_t n = write(fake.wake_fd, &one, sizeof(one));
	assert(n == sizeof(one));
}

void fake_watch_lessee(int peer) {
	if (!fake.quiet) {
		struct epoll_event event = {.events = EPOLLHUP};
		int r = epoll_ctl(fake.epoll_fd, EPOLL_CTL_ADD, peer, &event);
		assert(r == 0);
	}
}

void fake_lessee_ended(const char *device) {
	if (!fake.quiet) {
		fake_push_event(CARD_EVENT_LEASE, device);
	}
}

int fake_monitor(void) {
	int r = fake_enter(FAKE_MONITOR);
	if (r == 0) {
		r = fcntl(fake.epoll_fd, F_DUPFD_CLOEXEC, 3);
	}
	return fake_leave(r);
}

int fake_open_log(void) {
	int fd = fcntl(fake.log[0], F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

void fake_log(const char *record) {
	ssize_t n = send(fake.log[1], record, strlen(record), 0);
	assert(n == (ssize_t)strlen(record));
}

int fake_read_event(int fd, struct card_event *ret) {
	int r = fake_enter(FAKE_READ_EVENT);
	if (r < 0) {
		return fake_leave(r);
	}
	fake_cards_reap();
	if (fake.lost) {
		fake.lost = false;
		fake.n_events = 0;
		return fake_leave(-ENOBUFS);
	}
	if (fake.n_events == 0) {
		uint64_t count;
		ssize_t n = read(fake.wake_fd, &count, sizeof(count));
		(void)n; // EAGAIN: a lessee woke us, not an event
		return fake_leave(0);
	}
	*ret = fake.events[0];
	memmove(&fake.events[0], &fake.events[1], --fake.n_events * sizeof(fake.events[0]));
	return fake_leave(1);
}

void fake_send(enum card_event_type type, const char *device) {
	fake_lock();
	fake_push_event(type, device);
	fake_unlock();
}

void fake_lose_events(void) {
	fake_lock();
	fake_push_event(CARD_EVENT_OTHER, "");
	fake.lost = true;
	fake_unlock();
}

void fake_set_quiet(bool quiet) {
	fake.quiet = quiet;
}
