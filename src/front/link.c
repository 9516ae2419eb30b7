#include "front/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/socket.h"
#include "front/relay.h"
#include "scanout/dbus_names.h"

/* Calls of one guest without an answer; more is a flood. */
#define MAX_CALLS 64
/* Between two tries to reach scanoutd, but for the first one after it has gone. */
#define RETRY_USEC 100000

struct link_call {
	struct link *link;
	sd_bus_message *original;     // the guest's
	sd_bus_slot *slot;            // NULL: not asked yet
	TAILQ_ENTRY(link_call) entry; // link.calls
};

static void call_destroy(struct link_call *call) {
	TAILQ_REMOVE(&call->link->calls, call, entry);
	call->link->n_calls--;
	sd_bus_slot_unref(call->slot);
	sd_bus_message_unref(call->original);
	free(call);
}

/* sd-bus answers by itself what waits on a connection that ends: that will be asked again. */
static int handle_reply(sd_bus_message *reply, void *data, sd_bus_error *error) {
	struct link_call *call = data;
	if (sd_bus_is_open(sd_bus_message_get_bus(reply)) <= 0) {
		call->slot = sd_bus_slot_unref(call->slot);
		return 0;
	}
	int r = relay_reply(call->original, reply);
	if (r < 0) {
		(void)sd_bus_reply_method_errnof(call->original, r, "The answer was lost: %m");
	}
	call_destroy(call);
	return 0;
}

static int refuse(sd_bus_message *call, int r) {
	if (r == -EPERM) {
		return sd_bus_reply_method_errorf(call, SCANOUT_ERROR_NOT_ALLOWED,
			"'for' is for seat services alone, on the agents' socket. Leave it out and ask "
			"for yourself.");
	}
	return sd_bus_reply_method_errnof(call, r, "scanoutd cannot be asked: %m");
}

static void send_call(struct link_call *call) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	int r = relay_new_call(call->link->bus, call->original, &message);
	if (r >= 0 && sd_bus_message_get_expect_reply(message)) {
		r = sd_bus_call_async(
			call->link->bus, &call->slot, message, handle_reply, call, UINT64_MAX);
		if (r >= 0) {
			return;
		}
	} else if (r >= 0) {
		r = sd_bus_send(call->link->bus, message, NULL);
	}
	if (r < 0) {
		(void)refuse(call->original, r);
	}
	call_destroy(call);
}

static void disconnect(struct link *link) {
	struct link_call *call;
	TAILQ_FOREACH (call, &link->calls, entry) {
		call->slot = sd_bus_slot_unref(call->slot);
	}
	link->is_ready = false;
	link->bus = sd_bus_close_unref(link->bus);
}

static void retry_in(struct link *link, uint64_t usec) {
	(void)sd_event_source_set_time_relative(link->retry, usec);
	(void)sd_event_source_set_enabled(link->retry, SD_EVENT_ONESHOT);
}

static int handle_served(sd_bus_message *reply, void *data, sd_bus_error *error) {
	struct link *link = data;
	const sd_bus_error *refused = sd_bus_message_get_error(reply);
	struct link_call *call;
	if (!refused) {
		if (link->was_away) {
			link->was_away = false;
			link->changed(link->data, true);
		}
		return 0;
	}
	if (strcmp(refused->name, SCANOUT_ERROR_NOT_ALLOWED) != 0) {
		return 0; // scanoutd has gone
	}
	while ((call = TAILQ_FIRST(&link->calls))) {
		(void)sd_bus_reply_method_error(call->original, refused);
		call_destroy(call);
	}
	link->refused(link->data);
	return 0;
}

/* scanoutd answers in the order of what it is asked: with the guest's rights, or not at all. */
static int begin(struct link *link) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	struct link_call *call, *next;
	int r = sd_bus_message_new_method_call(
		link->bus, &message, NULL, SCANOUT_BUS_PATH, SCANOUT_AGENT_INTERFACE, "ServeGuest");
	if (r < 0 || (r = sd_bus_message_append(message, "hh", link->guest_fd, link->pidfd)) < 0 ||
		(r = sd_bus_call_async(link->bus, NULL, message, handle_served, link, UINT64_MAX)) <
			0) {
		return r;
	}
	link->is_ready = true;
	for (call = TAILQ_FIRST(&link->calls); call; call = next) {
		next = TAILQ_NEXT(call, entry);
		send_call(call);
	}
	return 0;
}

static int handle_message(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct link *link = data;
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Connected") > 0) {
		if (begin(link) < 0) {
			sd_bus_close(link->bus);
			retry_in(link, RETRY_USEC);
		}
	} else if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", NULL) > 0) {
		/* At once: under systemd the socket is there all the time. */
		retry_in(link, link->was_away ? RETRY_USEC : 0);
		if (!link->was_away) {
			link->was_away = true;
			link->changed(link->data, false);
		}
	} else if (sd_bus_message_is_signal(message, NULL, NULL) > 0) {
		link->heard(link->data, message);
	}
	return 1;
}

static int connect_link(struct link *link) {
	int fd = socket_connect(link->address);
	if (fd < 0) {
		return fd;
	}
	int r = sd_bus_new(&link->bus);
	if (r < 0 || (r = sd_bus_set_fd(link->bus, fd, fd)) < 0) {
		close(fd);
		return r;
	}
	if ((r = sd_bus_negotiate_fds(link->bus, true)) < 0 ||
		(r = sd_bus_set_connected_signal(link->bus, true)) < 0 ||
		(r = sd_bus_set_close_on_exit(link->bus, false)) < 0 ||
		(r = sd_bus_add_filter(link->bus, NULL, handle_message, link)) < 0 ||
		(r = sd_bus_start(link->bus)) < 0) {
		return r;
	}
	return sd_bus_attach_event(link->bus, link->event, SD_EVENT_PRIORITY_NORMAL);
}

static int handle_retry(sd_event_source *source, uint64_t usec, void *data) {
	struct link *link = data;
	disconnect(link);
	if (connect_link(link) < 0) {
		disconnect(link);
		retry_in(link, RETRY_USEC);
	}
	return 0;
}

int link_open(struct link *link) {
	int r = sd_event_add_time(
		link->event, &link->retry, CLOCK_MONOTONIC, 0, 0, handle_retry, link);
	if (r < 0) {
		return r;
	}
	r = sd_event_source_set_enabled(link->retry, SD_EVENT_OFF);
	return r < 0 ? r : handle_retry(link->retry, 0, link);
}

int link_ask(struct link *link, sd_bus_message *original) {
	if (link->n_calls >= MAX_CALLS) {
		return sd_bus_reply_method_errorf(original, SD_BUS_ERROR_LIMITS_EXCEEDED,
			"%d calls have no answer yet. Wait for some of those.", MAX_CALLS);
	}
	struct link_call *call = calloc(1, sizeof(*call));
	if (!call) {
		return -ENOMEM;
	}
	call->link = link;
	call->original = sd_bus_message_ref(original);
	TAILQ_INSERT_TAIL(&link->calls, call, entry);
	link->n_calls++;
	if (link->is_ready) {
		send_call(call);
	}
	return 0;
}

void link_close(struct link *link) {
	disconnect(link);
	while (!TAILQ_EMPTY(&link->calls)) {
		call_destroy(TAILQ_FIRST(&link->calls));
	}
	link->retry = sd_event_source_disable_unref(link->retry);
}
