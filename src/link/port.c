#include "link/port.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Reads of one turn: a host that never stops must not keep the loop. */
#define MAX_READS 16

/* A virtio port without a host hangs up all the time, which only an edge tells once. */
#define EVENTS (EPOLLIN | EPOLLOUT | EPOLLET)

static void handle_line(void *data, const char *line) {
	struct port *port = data;
	struct message message;
	const char *wrong;
	if (message_read(line, &message, &wrong) < 0) {
		say_seldom(
			&port->refused, "A line of the host's is refused: its %s is wrong", wrong);
	} else if (message.type == MESSAGE_HELLO) {
		port->is_asked = true;
	}
}

static void say_dropped(struct port *port) {
	if (port->lines.n_dropped > 0) {
		port->lines.n_dropped = 0;
		say_seldom(&port->refused,
			"A line of the host's is refused: it is too long, or has a NUL in it");
	}
}

static int read_port(struct port *port) {
	char data[LINES_MAX];
	ssize_t n = 0;
	for (int i = 0; i < MAX_READS; i++) {
		n = read(port->fd, data, sizeof(data));
		if (n <= 0) {
			break;
		}
		lines_feed(&port->lines, data, (size_t)n, handle_line, port);
		say_dropped(port);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNRESET) {
		return -errno;
	}
	/* There is more, and no edge will tell. */
	return n > 0 ? sd_event_source_set_io_events(port->source, EVENTS) : 0;
}

/* Returns 1 if the host has taken all. */
static int flush(struct port *port) {
	int r = outbox_write(&port->outbox, port->fd);
	if (r == -EPIPE || r == -ECONNRESET) {
		return 0; // it has just gone, which an edge tells
	}
	return r;
}

static int greet(struct port *port) {
	port->is_asked = port->is_behind = false;
	outbox_drop(&port->outbox);
	int r = outbox_add_hello(&port->outbox, "scanout-link " SCANOUTD_VERSION);
	if (r < 0) {
		return r;
	}
	port->greeted(port->data);
	return flush(port);
}

static int serve(struct port *port, uint32_t events) {
	bool is_there = !(events & EPOLLHUP);
	if (is_there != port->is_there) {
		port->is_there = port->is_asked = is_there;
		port->is_behind = false;
		outbox_clear(&port->outbox);
	}
	int r = read_port(port);
	if (r < 0 || !port->is_there) {
		return r;
	}
	r = flush(port);
	if (r >= 0 && (port->is_asked || (r == 1 && port->is_behind))) {
		r = greet(port);
	}
	return r;
}

static int handle_port(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct port *port = data;
	int r = serve(port, events);
	if (r < 0) {
		say("The port fails: %s", strerror(-r));
		return sd_event_exit(port->event, r);
	}
	return 0;
}

int port_open(struct port *port) {
	int flags = fcntl(port->fd, F_GETFL);
	if (flags < 0 || fcntl(port->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		return -errno;
	}
	return sd_event_add_io(port->event, &port->source, port->fd, EVENTS, handle_port, port);
}

void port_close(struct port *port) {
	port->source = sd_event_source_disable_unref(port->source);
	outbox_clear(&port->outbox);
}

void port_tell(struct port *port, const struct message *message) {
	if (!port->is_there || port->is_behind) {
		return;
	}
	int r = outbox_add(&port->outbox, message);
	if (r == -ENOBUFS) {
		outbox_drop(&port->outbox);
		port->is_behind = true;
	} else if (r == -ENOMEM) {
		(void)sd_event_exit(port->event, r);
	} else if (r >= 0) {
		r = flush(port);
		if (r < 0) {
			(void)sd_event_exit(port->event, r);
		}
	}
}
