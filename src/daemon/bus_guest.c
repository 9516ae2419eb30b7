/* Guests: connections without a bus daemon, each with the rights of whoever connected. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "common/cleanup.h"
#include "log.h"

#define MAX_GUESTS 1024
/* A container needs one connection, or a few while something in it restarts. */
#define MAX_GUESTS_PER_HOLDER 32
/* A guest that leaves so many messages unread does not read at all. */
#define MAX_UNREAD 256
/* What the messages of one guest may take in a turn. Sound ones are of some hundred bytes, and
 * sd-bus would take 128 MiB from each connection. */
#define MAX_GROWTH (256 * 1024)
/* Messages taken from one guest before everybody else gets a turn. */
#define MAX_BURST 16

static void peer_remove(struct peer *peer) {
	struct bus *bus = peer->bus;
	bus_manager_drop_calls(peer);
	TAILQ_REMOVE(&bus->guests, peer, link);
	peer->io = sd_event_source_disable_unref(peer->io);
	if (--bus->n_guests == 0) {
		sd_event_source_set_enabled(bus->guest_post, SD_EVENT_OFF);
	}
}

static void peer_destroy(struct peer *peer) {
	peer_remove(peer);
	sd_bus_close_unref(peer->connection);
	free(peer);
}

/*
 * One that could not be set up. Without memory for an object, sd-bus leaves pointers behind that
 * dangle (bus_node_allocate() and add_object_vtable_internal() in systemd 252): such a connection
 * is closed and never freed.
 */
static void peer_abandon(struct peer *peer, int error) {
	static struct peer_list abandoned = TAILQ_HEAD_INITIALIZER(abandoned);
	if (error != -ENOMEM) {
		peer_destroy(peer);
		return;
	}
	peer_remove(peer);
	sd_bus_close(peer->connection);
	TAILQ_INSERT_TAIL(&abandoned, peer, link);
}

static size_t memory_in_use(void) {
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

/* 1 if there may be more to do at once, 0 if not, a negative errno if the guest has to go. */
static int guest_read(struct peer *peer) {
	size_t before = memory_in_use();
	int r = 1;
	for (int i = 0; i < MAX_BURST && r > 0; i++) {
		r = sd_bus_process(peer->connection, NULL);
	}
	if (r < 0) {
		return r;
	}
	/* sd-bus makes room for a message as soon as it has read how long that is. */
	if (memory_in_use() > before + MAX_GROWTH) {
		return -EMSGSIZE;
	}
	return sd_bus_is_open(peer->connection) > 0 ? r : -ENOTCONN;
}

/* The same. */
static int guest_process(struct peer *peer) {
	uint64_t unread;
	int r = peer->awake ? guest_read(peer) : 0;
	if (r < 0) {
		return r;
	}
	peer->awake = r > 0;
	if (sd_bus_get_n_queued_write(peer->connection, &unread) < 0 || unread > MAX_UNREAD) {
		return -ENOBUFS;
	}
	int events = sd_bus_get_events(peer->connection);
	return events < 0 ? events : sd_event_source_set_io_events(peer->io, events) < 0 ? -EIO : r;
}

/*
 * After each round of the loop, and here alone, so that it is known whose message takes the memory.
 * Besides, the server side of an sd-bus connection does not wake up for bytes that came in one
 * piece with the end of the handshake (systemd 252), and one that fails does not tell: both show
 * only to who looks.
 */
static int look_at_guests(sd_event_source *source, void *data) {
	struct bus *bus = data;
	struct peer *peer, *next;
	bool again = false;
	for (peer = TAILQ_FIRST(&bus->guests); peer; peer = next) {
		next = TAILQ_NEXT(peer, link);
		int r = guest_process(peer);
		if (r == -ENOBUFS) {
			char who[256];
			log_warning("Guest %s does not read its answers; its connection ends",
				identity_describe(&peer->identity, who, sizeof(who)));
		} else if (r == -EMSGSIZE) {
			char who[256];
			log_warning(
				"Guest %s sends a message of more than %d KiB; its connection ends",
				identity_describe(&peer->identity, who, sizeof(who)),
				MAX_GROWTH / 1024);
		}
		if (r < 0) {
			peer_destroy(peer);
		}
		again |= r > 0;
	}
	/* An error here would be the last call of this function: sd-event disables what fails. */
	sd_event_source_set_enabled(bus->guest_again, again ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	return 0;
}

/* Only wakes the loop, so that look_at_guests() runs once more. */
static int wake(sd_event_source *source, void *data) {
	return 0;
}

static int wake_guest(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct peer *peer = data;
	peer->awake = true;
	return 0;
}

static int prepare_loop(struct bus *bus) {
	sd_event *event = bus->manager->event;
	int r = 0;
	if (!bus->guest_again) {
		r = sd_event_add_defer(event, &bus->guest_again, wake, bus);
	}
	if (r >= 0 && !bus->guest_post) {
		r = sd_event_add_post(event, &bus->guest_post, look_at_guests, bus);
	}
	return r < 0 ? r : sd_event_source_set_enabled(bus->guest_post, SD_EVENT_ON);
}

static int guest_start(struct peer *peer, int fd) {
	sd_id128_t id;
	int r = sd_id128_randomize(&id);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_set_fd(peer->connection, fd, fd); // its own from here on
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_set_server(peer->connection, true, id);
	if (r < 0) {
		return r;
	}
	/* In a user namespace the uid that a client claims is never the one seen here, so it need
	 * not claim any: who it is was read from the socket. */
	r = sd_bus_set_anonymous(peer->connection, true);
	if (r < 0) {
		return r;
	}
	r = sd_bus_negotiate_fds(peer->connection, true);
	if (r < 0) {
		return r;
	}
	r = bus_driver_register(peer);
	if (r < 0) {
		return r;
	}
	r = peer_register(peer);
	if (r < 0) {
		return r;
	}
	r = sd_bus_start(peer->connection);
	if (r < 0) {
		return r;
	}
	return sd_event_add_io(peer->bus->manager->event, &peer->io, fd, EPOLLIN, wake_guest, peer);
}

static unsigned count_same(const struct bus *bus, const struct identity *identity) {
	unsigned n = 0;
	struct peer *peer;
	TAILQ_FOREACH (peer, &bus->guests, link) {
		n += identity_same_quota(&peer->identity, identity);
	}
	return n;
}

int bus_add_guest(struct bus *bus, int guest_fd, bool agent) {
	AUTO_CLOSE int fd = guest_fd;
	struct identity identity;
	int r = identity_of_socket(fd, &identity);
	if (r < 0) {
		return r;
	}
	/* Whoever mounts that socket into a container does not make an agent of it. */
	if (agent && identity_in_container(&identity)) {
		return -EACCES;
	}
	identity.agent = agent;
	/* One agent has a connection for each container that it serves. */
	if (bus->n_guests >= MAX_GUESTS ||
		(!agent && count_same(bus, &identity) >= MAX_GUESTS_PER_HOLDER)) {
		return -EUSERS;
	}
	r = prepare_loop(bus);
	if (r < 0) {
		return r;
	}
	struct peer *peer = calloc(1, sizeof(*peer));
	if (!peer) {
		return -ENOMEM;
	}
	*peer = (struct peer){.bus = bus, .guest = true, .identity = identity};
	TAILQ_INSERT_TAIL(&bus->guests, peer, link);
	bus->n_guests++;
	r = sd_bus_new(&peer->connection);
	if (r >= 0) {
		r = guest_start(peer, TAKE_FD(fd));
	}
	if (r >= 0) {
		/* sd_bus_start() has read what was there, and has not answered yet. */
		peer->awake = true;
		r = sd_event_source_set_enabled(bus->guest_again, SD_EVENT_ONESHOT);
	}
	if (r < 0) {
		peer_abandon(peer, r);
	}
	return r;
}

void bus_drop_guests(struct bus *bus) {
	struct peer *peer;
	while ((peer = TAILQ_FIRST(&bus->guests))) {
		/* No flush, which would wait for who does not read, or has not even said hello.
		 * What a reader is owed was sent at once. */
		peer_destroy(peer);
	}
	bus->guest_again = sd_event_source_disable_unref(bus->guest_again);
	bus->guest_post = sd_event_source_disable_unref(bus->guest_post);
}
