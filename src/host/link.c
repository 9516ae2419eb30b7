#include "host/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/socket.h"

/* Between attempts: at first at once, since QEMU may just be starting, then more rarely. */
#define RETRY_MIN_USEC (250 * UINT64_C(1000))
#define RETRY_MAX_USEC (4 * UINT64_C(1000000))
/* For a VM to answer, and for others who are in line before us. */
#define PATIENCE_USEC (3 * UINT64_C(1000000))

static void set_timer(sd_event_source *timer, uint64_t usec) {
	(void)sd_event_source_set_time_relative(timer, usec);
	(void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static void disconnect(struct link *link) {
	link->io = sd_event_source_disable_unref(link->io);
	cleanup_close(&link->fd);
	link->fd = -1;
	link->is_ready = link->is_greeted = link->is_complete = false;
	link->lines = (struct lines){0};
	outbox_clear(&link->outbox);
	tenants_clear(&link->tenants);
	tenants_clear(&link->coming);
}

static void tell_lost(
	struct link *link, const char *name, const char *message, const char *detail) {
	AUTO_FREE char *text = NULL;
	if (asprintf(&text, "%s (%s)", message, detail) < 0) {
		text = NULL;
	}
	link->handlers->lost(link->data, link, name, text ? text : message);
}

static void fail(struct link *link, int r) {
	uint64_t usec = RETRY_MIN_USEC << (link->n_failed < 4 ? link->n_failed : 4);
	link->n_failed++;
	disconnect(link);
	(void)sd_event_source_set_enabled(link->silence, SD_EVENT_OFF);
	set_timer(link->again, usec < RETRY_MAX_USEC ? usec : RETRY_MAX_USEC);
	tell_lost(link, "LinkUnreachable",
		"The socket of the link cannot be reached. Check --link, and that QEMU was started "
		"with what 'scanout-host qemu-args --link SOCKET' prints",
		strerror(-r));
}

static int handle_silence(sd_event_source *source, uint64_t usec, void *data) {
	struct link *link = data;
	tell_lost(link, "LinkSilent",
		"The VM does not answer on the link. Type there: systemctl status scanout-link. Or "
		"another program has this socket",
		link->path);
	return 0;
}

static void take_hello(struct link *link, const struct message *message) {
	char detail[32];
	tenants_clear(&link->coming);
	link->is_complete = false;
	link->is_greeted = message->hello.version == MESSAGE_VERSION;
	if (!link->is_greeted) {
		snprintf(detail, sizeof(detail), "version %u", message->hello.version);
		link->is_ready = false;
		tenants_clear(&link->tenants);
		(void)sd_event_source_set_enabled(link->silence, SD_EVENT_OFF);
		tell_lost(link, "LinkVersion",
			"scanout-link in the VM is not of this scanout-host's version. Install the "
			"same on both",
			detail);
	}
}

static void grant(struct link *link, const struct tenant *tenant, struct tenants *to) {
	if (tenants_grant(to, tenant) == -EXFULL) {
		say_seldom(&link->refused, "%s: a VM has at most %d tenants; more are refused",
			link->path, TENANTS_MAX);
	}
}

/* What comes after a hello counts once all is told, and those of before do until then. */
static void take(struct link *link, const struct message *message) {
	struct tenants *tenants = link->is_complete ? &link->tenants : &link->coming;
	switch (message->type) {
	case MESSAGE_GRANT:
		grant(link, &message->grant, tenants);
		break;
	case MESSAGE_END:
		tenants_end(tenants, message->end.scanout);
		break;
	case MESSAGE_READY:
		if (!link->is_complete) {
			tenants_move(&link->coming, &link->tenants);
		}
		link->is_complete = link->is_ready = true;
		link->has_daemon = message->ready.daemon;
		(void)sd_event_source_set_enabled(link->silence, SD_EVENT_OFF);
		break;
	default:
		return;
	}
	if (link->is_complete) {
		link->handlers->ready(link->data, link);
	}
}

static void handle_line(void *data, const char *line) {
	struct link *link = data;
	struct message message;
	const char *wrong;
	if (link->fd < 0) {
		return; // finished by a handler
	}
	int r = message_read(line, &message, &wrong);
	if (r < 0 && link->is_greeted) {
		say_seldom(&link->refused, "%s: a line of the VM's is refused: its %s is wrong",
			link->path, wrong);
	} else if (r == 0 && message.type == MESSAGE_HELLO) {
		take_hello(link, &message);
	} else if (r == 0 && link->is_greeted) {
		take(link, &message);
	}
}

static int receive(struct link *link) {
	char data[16384];
	ssize_t n = read(link->fd, data, sizeof(data));
	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	if (n == 0) {
		return -ECONNRESET;
	}
	lines_feed(&link->lines, data, (size_t)n, handle_line, link);
	if (link->lines.n_dropped > 0 && link->is_greeted) {
		say_seldom(&link->refused,
			"%s: a line of the VM's is refused: it is too long, or has a NUL in it",
			link->path);
	}
	link->lines.n_dropped = 0;
	return 0;
}

static int handle_io(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct link *link = data;
	int r = events & EPOLLOUT ? outbox_write(&link->outbox, link->fd) : 0;
	if (r == 1) {
		r = sd_event_source_set_io_events(link->io, EPOLLIN);
	}
	if (r >= 0 && events & ~(uint32_t)EPOLLOUT) {
		r = receive(link);
	}
	if (r < 0 && link->fd >= 0) {
		fail(link, r);
	}
	return 0;
}

static int connect_link(struct link *link) {
	int fd = socket_connect(link->path);
	if (fd < 0) {
		return fd;
	}
	link->fd = fd;
	int r = outbox_add_hello(&link->outbox, "scanout-host " SCANOUTD_VERSION);
	return r < 0 ? r
		     : sd_event_add_io(link->event, &link->io, link->fd, EPOLLIN | EPOLLOUT,
			       handle_io, link);
}

static int handle_again(sd_event_source *source, uint64_t usec, void *data) {
	struct link *link = data;
	int r = connect_link(link);
	if (r == -EAGAIN) {
		set_timer(link->again, RETRY_MIN_USEC); // even the line is full
	} else if (r < 0) {
		fail(link, r);
	} else {
		link->n_failed = 0;
		set_timer(link->silence, PATIENCE_USEC);
	}
	return 0;
}

int link_init(struct link *link, sd_event *event, const char *path,
	const struct link_handlers *handlers, void *data) {
	*link = (struct link){
		.path = path, .event = event, .handlers = handlers, .data = data, .fd = -1};
	tenants_init(&link->tenants);
	tenants_init(&link->coming);
	int r = sd_event_add_time_relative(
		event, &link->silence, CLOCK_MONOTONIC, 0, 0, handle_silence, link);
	if (r >= 0) {
		set_timer(link->silence, PATIENCE_USEC);
	}
	return r < 0 ? r
		     : sd_event_add_time_relative(
			       event, &link->again, CLOCK_MONOTONIC, 0, 0, handle_again, link);
}

void link_finish(struct link *link) {
	if (link->event) {
		disconnect(link);
		link->again = sd_event_source_disable_unref(link->again);
		link->silence = sd_event_source_disable_unref(link->silence);
		link->event = NULL;
	}
}
