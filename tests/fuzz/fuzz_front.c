/*
 * What a container may say to its front once the handshake is over. Behind the front is a scanoutd
 * that answers every call, and asserts that none of them has an fd. The first byte chooses whether
 * it goes away halfway.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/socket.h"
#include "front/guest.h"
#include "scanout/dbus_names.h"

#define MAX_ROUNDS 100000

static const char handshake[] = "\0AUTH ANONYMOUS\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

/* One connection of the front, at its other end. */
struct scanoutd {
	struct server server;
	struct served served;
	sd_event_source *listener;
	unsigned n_asked;
};

struct fixture {
	sd_event *event;
	struct server server;
	struct scanoutd scanoutd;
	struct guest *guest;
};

static void hang_up(struct scanoutd *scanoutd) {
	served_stop(&scanoutd->served);
	scanoutd->served.bus = sd_bus_close_unref(scanoutd->served.bus);
}

static void handle_away(struct served *served, int error) {
	hang_up((struct scanoutd *)((char *)served - offsetof(struct scanoutd, served)));
}

static int answer(sd_bus_message *call, void *data, sd_bus_error *error) {
	struct scanoutd *scanoutd = data;
	const char *contents;
	char type;
	bool is_first = sd_bus_message_is_method_call(call, SCANOUT_AGENT_INTERFACE, "ServeGuest");
	if (!sd_bus_message_is_method_call(call, NULL, NULL)) {
		return 0;
	}
	assert(is_first == (scanoutd->n_asked++ == 0));
	while (!is_first && sd_bus_message_peek_type(call, &type, &contents) > 0) {
		assert(type != 'h');
		assert(sd_bus_message_skip(call, NULL) >= 0);
	}
	(void)sd_bus_reply_method_return(call, is_first ? NULL : "s", "done");
	return 1;
}

static int handle_connection(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct scanoutd *scanoutd = data;
	int client = socket_accept(fd);
	if (client >= 0) {
		hang_up(scanoutd);
		scanoutd->n_asked = 0;
		assert(sd_bus_new(&scanoutd->served.bus) >= 0);
		scanoutd->served.ended = handle_away;
		assert(sd_bus_add_filter(scanoutd->served.bus, NULL, answer, scanoutd) >= 0);
		assert(served_start(&scanoutd->served, &scanoutd->server, client) >= 0);
	}
	return 0;
}

static void handle_ended(void *data, struct guest *guest, int error) {
	struct fixture *f = data;
	guest_destroy(guest);
	f->guest = NULL;
}

static void run(struct fixture *f) {
	int rounds = 0;
	while (sd_event_run(f->event, 0) > 0) {
		assert(++rounds < MAX_ROUNDS);
	}
}

static void feed(struct fixture *f, int fd, const uint8_t *data, size_t size) {
	while (size > 0) {
		ssize_t sent = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0) {
			break; // hung up on, or full for good
		}
		data += sent;
		size -= (size_t)sent;
		run(f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fixture f = {0};
	char path[64];
	int ends[2];
	if (size < 1) {
		return 0;
	}
	snprintf(path, sizeof(path), "/tmp/fuzz-front.%d", (int)getpid());
	assert(sd_event_new(&f.event) >= 0);
	assert(server_init(&f.server, f.event, 16) >= 0);
	assert(server_init(&f.scanoutd.server, f.event, 1) >= 0);
	assert(socket_serve(f.event, &f.scanoutd.listener, socket_listen(path, 0600),
		       handle_connection, &f.scanoutd) >= 0);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	const struct guest_options options = {
		.server = &f.server, .address = path, .ended = handle_ended, .data = &f};
	assert(guest_create(&f.guest, &options, ends[0], dup(STDIN_FILENO)) >= 0);
	assert(send(ends[1], handshake, sizeof(handshake) - 1, MSG_NOSIGNAL) > 0);
	run(&f);
	assert(f.guest);

	size_t half = data[0] & 1 ? size / 2 : 0;
	feed(&f, ends[1], data + 1, half);
	if (data[0] & 1) {
		hang_up(&f.scanoutd);
		run(&f);
	}
	if (half < size - 1) {
		feed(&f, ends[1], data + 1 + half, size - 1 - half);
	}
	shutdown(ends[1], SHUT_WR);
	run(&f);
	if (f.guest) {
		guest_destroy(f.guest);
	}
	hang_up(&f.scanoutd);
	sd_event_source_disable_unref(f.scanoutd.listener);
	server_finish(&f.scanoutd.server);
	server_finish(&f.server);
	sd_event_unref(f.event);
	close(ends[1]);
	unlink(path);
	return 0;
}
