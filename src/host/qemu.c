#include "host/qemu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/say.h"

#define SERVICE "org.qemu"
#define ROOT "/org/qemu/Display1"
#define VM_INTERFACE "org.qemu.Display1.VM"
#define CONSOLE_INTERFACE "org.qemu.Display1.Console"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define MAX_CONSOLES 1024

/* Between attempts: at first at once, since QEMU may just be starting, then more rarely. */
#define RETRY_MIN_USEC (250 * UINT64_C(1000))
#define RETRY_MAX_USEC (4 * UINT64_C(1000000))

#define NOT_A_DISPLAY "QEMU's answer is not that of a D-Bus display. Is it older than 7.0?"

/* Of what QEMU may have unread; the kernel gives as much as it allows. */
#define SEND_BUFFER (8 * 1024 * 1024)

static void forget_queries(struct qemu *qemu) {
	free(qemu->queries);
	qemu->queries = NULL;
	qemu->n_asked = 0;
}

static void disconnect(struct qemu *qemu) {
	qemu->bus = sd_bus_close_unref(qemu->bus);
	forget_queries(qemu);
	console_list_clear(&qemu->consoles);
}

static void try_again(struct qemu *qemu, uint64_t usec) {
	(void)sd_event_source_set_time_relative(qemu->again, usec);
	(void)sd_event_source_set_enabled(qemu->again, SD_EVENT_ONESHOT);
}

static void tell_lost(struct qemu *qemu, const char *name, const char *message) {
	qemu->is_found = false;
	qemu->handlers->lost(qemu->data, qemu, name, message);
}

static void fail(struct qemu *qemu, const char *name, const char *message, const char *detail) {
	AUTO_FREE char *text = NULL;
	uint64_t usec = RETRY_MIN_USEC << (qemu->n_failed < 4 ? qemu->n_failed : 4);
	qemu->n_failed++;
	disconnect(qemu);
	try_again(qemu, usec < RETRY_MAX_USEC ? usec : RETRY_MAX_USEC);
	if (asprintf(&text, "%s (%s)", message, detail) < 0) {
		text = NULL;
	}
	tell_lost(qemu, name, text ? text : message);
}

static void fail_errno(struct qemu *qemu, int r) {
	fail(qemu, "BusUnreachable",
		"The bus of QEMU's display cannot be reached. Check --address, and that QEMU was "
		"started with the display of 'scanout-host qemu-args'",
		strerror(-r));
}

static void fail_call(struct qemu *qemu, const sd_bus_error *error) {
	const char *detail = error->message ? error->message : error->name;
	if (strcmp(error->name, SD_BUS_ERROR_SERVICE_UNKNOWN) == 0 ||
		strcmp(error->name, SD_BUS_ERROR_NAME_HAS_NO_OWNER) == 0) {
		fail(qemu, "NoQemu",
			"No QEMU has its display on this bus. Start one as 'scanout-host qemu-args' "
			"says",
			detail);
	} else if (strcmp(error->name, SD_BUS_ERROR_ACCESS_DENIED) == 0) {
		fail(qemu, "AccessDenied",
			"The bus does not let you talk to QEMU. Run this as the user who runs QEMU",
			detail);
	} else if (strcmp(error->name, SD_BUS_ERROR_NO_REPLY) == 0) {
		fail(qemu, "NoReply", "QEMU does not answer. Is the VM stuck?", detail);
	} else {
		fail(qemu, "BadReply", NOT_A_DISPLAY, detail);
	}
}

/* All replies are there: text consoles are of no interest to anybody. */
static void finish_query(struct qemu *qemu) {
	struct console *console, *next;
	forget_queries(qemu);
	for (console = TAILQ_FIRST(&qemu->consoles); console; console = next) {
		next = TAILQ_NEXT(console, link);
		if (!console->is_graphic) {
			console_remove(&qemu->consoles, console);
		}
	}
	qemu->n_failed = 0;
	qemu->is_found = true;
	qemu->handlers->found(qemu->data, qemu);
}

/* Of one console: what its reply is about. */
struct qemu_query {
	struct qemu *qemu;
	unsigned id;
};

static int handle_console(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct qemu_query *query = data;
	struct qemu *qemu = query->qemu;
	struct console *console;
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	if (error) {
		fail_call(qemu, error);
		return 0;
	}
	int r = console_read(reply, query->id, &console);
	if (r < 0) {
		fail(qemu, "BadReply", NOT_A_DISPLAY, strerror(-r));
		return 0;
	}
	console_insert(&qemu->consoles, console);
	qemu->n_asked--;
	if (qemu->n_asked == 0) {
		finish_query(qemu);
	}
	return 0;
}

static int ask_console(struct qemu_query *query) {
	char path[64];
	snprintf(path, sizeof(path), ROOT "/Console_%u", query->id);
	return sd_bus_call_method_async(query->qemu->bus, NULL, SERVICE, path, PROPERTIES, "GetAll",
		handle_console, query, "s", CONSOLE_INTERFACE);
}

static int ask_consoles(struct qemu *qemu, const uint32_t *ids, size_t n) {
	if (n == 0 || n > MAX_CONSOLES) {
		return -EBADMSG;
	}
	qemu->queries = calloc(n, sizeof(*qemu->queries));
	int r = qemu->queries ? 0 : -ENOMEM;
	for (size_t i = 0; i < n && r >= 0; i++) {
		qemu->queries[i] = (struct qemu_query){qemu, ids[i]};
		r = ask_console(&qemu->queries[i]);
	}
	qemu->n_asked = (unsigned)n;
	return r;
}

static int handle_ids(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct qemu *qemu = data;
	const void *ids;
	size_t size;
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	if (error) {
		fail_call(qemu, error);
		return 0;
	}
	int r = sd_bus_message_enter_container(reply, 'v', "au");
	if (r >= 0) {
		r = sd_bus_message_read_array(reply, 'u', &ids, &size);
	}
	if (r >= 0) {
		r = ask_consoles(qemu, ids, size / sizeof(uint32_t));
	}
	if (r < 0) {
		fail(qemu, "BadReply", NOT_A_DISPLAY, strerror(-r));
	}
	return 0;
}

static int handle_owner(sd_bus_message *signal, void *data, sd_bus_error *ret_error) {
	struct qemu *qemu = data;
	disconnect(qemu);
	try_again(qemu, RETRY_MIN_USEC);
	tell_lost(qemu, NULL, NULL);
	return 0;
}

static int handle_bus_gone(sd_bus_message *message, void *data, sd_bus_error *ret_error) {
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected") > 0) {
		fail_errno(data, -ECONNRESET);
	}
	return 0;
}

static int open_bus(struct qemu *qemu) {
	int r = sd_bus_new(&qemu->bus);
	if (r >= 0) {
		r = sd_bus_set_address(qemu->bus, qemu->address);
	}
	if (r >= 0) {
		r = sd_bus_set_bus_client(qemu->bus, true);
	}
	if (r >= 0) {
		r = sd_bus_negotiate_fds(qemu->bus, true);
	}
	if (r >= 0) {
		r = sd_bus_add_filter(qemu->bus, NULL, handle_bus_gone, qemu);
	}
	if (r >= 0) {
		r = sd_bus_start(qemu->bus);
	}
	return r < 0 ? r : sd_bus_attach_event(qemu->bus, qemu->event, SD_EVENT_PRIORITY_NORMAL);
}

static int connect_bus(struct qemu *qemu) {
	int r = open_bus(qemu);
	if (r >= 0) {
		r = sd_bus_add_match_async(qemu->bus, NULL,
			"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
			"arg0='" SERVICE "'",
			handle_owner, NULL, qemu);
	}
	if (r >= 0) {
		r = sd_bus_call_method_async(qemu->bus, NULL, SERVICE, ROOT "/VM", PROPERTIES,
			"Get", handle_ids, qemu, "ss", VM_INTERFACE, "ConsoleIDs");
	}
	return r;
}

static int handle_again(sd_event_source *source, uint64_t usec, void *data) {
	struct qemu *qemu = data;
	int r = connect_bus(qemu);
	if (r < 0) {
		fail_errno(qemu, r);
	}
	return 0;
}

int qemu_init(struct qemu *qemu, sd_event *event, struct capture *capture,
	const struct qemu_handlers *handlers, void *data) {
	qemu->event = event;
	qemu->capture = capture;
	qemu->handlers = handlers;
	qemu->data = data;
	TAILQ_INIT(&qemu->consoles);
	return sd_event_add_time_relative(
		event, &qemu->again, CLOCK_MONOTONIC, 0, 0, handle_again, qemu);
}

void qemu_finish(struct qemu *qemu) {
	if (qemu->again) {
		disconnect(qemu);
		qemu->again = sd_event_source_disable_unref(qemu->again);
	}
}

/* Of RegisterListener. QEMU then closes the other end of the socket, or never takes it. */
static int handle_registered(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	if (error) {
		say("QEMU gives no pictures of a console: %s.", error->message);
	}
	return 0;
}

int qemu_listen(struct qemu *qemu, const struct console *console, const char *name,
	struct screen *screen, struct listener **ret) {
	const int buffer = SEND_BUFFER;
	AUTO_CLOSE int theirs = -1;
	char path[64];
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		return -errno;
	}
	theirs = ends[1];
	(void)setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	/* First, so that it is complete when QEMU asks it. */
	int r = capture_add(qemu->capture, ret, ends[0], name, screen, qemu->wants_copies);
	if (r < 0) {
		return r;
	}
	snprintf(path, sizeof(path), ROOT "/Console_%u", console->id);
	r = sd_bus_call_method_async(qemu->bus, NULL, SERVICE, path, CONSOLE_INTERFACE,
		"RegisterListener", handle_registered, qemu, "h", theirs);
	if (r < 0) {
		capture_remove(qemu->capture, TAKE_PTR(*ret));
	}
	return r < 0 ? r : 0;
}
