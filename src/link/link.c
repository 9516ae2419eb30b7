#include "link.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "common/say.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define STEP_USEC (100 * 1000)
/* How long scanoutd may take for what it does at once. */
#define ANSWER_USEC (10 * UINT64_C(1000000))

static uint64_t now_usec(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000) + t.tv_nsec / 1000;
}

static const char *bus_name(const struct link *link) {
	return link->is_peer ? NULL : SCANOUT_BUS_NAME;
}

/* Signals are blocked and wait for the event loop, which does not run while we wait here. */
static bool is_interrupted(void) {
	sigset_t pending;
	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) ||
		       sigismember(&pending, SIGHUP) || sigismember(&pending, SIGQUIT));
}

/* The link's own messages may come while a call waits, so they only leave a note. */
static void note(struct link *link) {
	(void)sd_event_source_set_enabled(link->notice, SD_EVENT_ONESHOT);
}

static int handle_ended(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct link *link = data;
	const char *path, *reason;
	if (sd_bus_message_read(message, "os", &path, &reason) < 0) {
		return 0;
	}
	if (link->path && link->generation != 0 && strcmp(path, link->path) == 0) {
		snprintf(link->reason, sizeof(link->reason), "%s", reason);
		note(link);
	}
	return 0;
}

static int read_size(sd_bus_message *message, uint32_t *ret_width, uint32_t *ret_height) {
	int r = sd_bus_message_skip(message, "s");
	if (r < 0 || (r = sd_bus_message_enter_container(message, 'a', "{sv}")) < 0) {
		return r;
	}
	while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		const char *name;
		r = sd_bus_message_read(message, "s", &name);
		if (r < 0) {
			return r;
		}
		uint32_t *value = strcmp(name, "Width") == 0    ? ret_width
				  : strcmp(name, "Height") == 0 ? ret_height
								: NULL;
		r = value ? sd_bus_message_read(message, "v", "u", value)
			  : sd_bus_message_skip(message, "v");
		if (r < 0 || (r = sd_bus_message_exit_container(message)) < 0) {
			return r;
		}
	}
	return r;
}

static int handle_changed(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct link *link = data;
	const char *path = sd_bus_message_get_path(message);
	uint32_t width = link->width, height = link->height;

	if (!link->path || link->generation == 0 || !path || strcmp(path, link->path) != 0 ||
		read_size(message, &width, &height) < 0) {
		return 0;
	}
	/* The first size is the one that the compositor starts with. */
	link->was_resized |= link->width != 0 && width != 0 && height != 0 &&
			     (width != link->width || height != link->height);
	link->width = width;
	link->height = height;
	note(link);
	return 0;
}

static int handle_notice(sd_event_source *source, void *data) {
	struct link *link = data;
	if (link->reason[0] != '\0') {
		char reason[sizeof(link->reason)];
		strcpy(reason, link->reason);
		link->reason[0] = '\0';
		link->generation = 0;
		/* "released" and "closed" are our own doing, and the client's. */
		if (strcmp(reason, "released") != 0 && strcmp(reason, "closed") != 0) {
			link->events->revoked(link->events_data, reason);
		}
	}
	if (link->was_resized) {
		link->was_resized = false;
		link->events->resized(link->events_data);
	}
	return 0;
}

int link_init(struct link *link, sd_event *event, const struct link_events *events, void *data) {
	*link = (struct link){.events = events, .events_data = data};
	int r = sd_event_add_defer(event, &link->notice, handle_notice, link);
	if (r < 0 || (r = sd_event_source_set_enabled(link->notice, SD_EVENT_OFF)) < 0) {
		return r;
	}
	link->event = sd_event_ref(event);
	return 0;
}

static void close_connection(struct link *link) {
	link->bus = sd_bus_close_unref(link->bus);
}

void link_finish(struct link *link) {
	link_release(link);
	close_connection(link);
	free(link->path);
	sd_event_source_disable_unref(link->notice);
	sd_event_unref(link->event);
}

static int open_peer(struct link *link, sd_bus **ret, const char *address) {
	AUTO_BUS sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);
	if (r < 0 || (r = sd_bus_set_address(bus, address)) < 0 ||
		(r = sd_bus_negotiate_fds(bus, 1)) < 0 || (r = sd_bus_start(bus)) < 0) {
		return r;
	}
	*ret = TAKE_PTR(bus);
	return 0;
}

static int open_connection(struct link *link) {
	const char *address = getenv("SCANOUT_ADDRESS");
	AUTO_BUS sd_bus *bus = NULL;
	int r;

	if (link->bus && sd_bus_is_open(link->bus) > 0) {
		return 0;
	}
	close_connection(link);
	if (!address && access(LINK_GUEST_SOCKET, F_OK) == 0) {
		address = "unix:path=" LINK_GUEST_SOCKET;
	}
	link->is_peer = address;
	r = address ? open_peer(link, &bus, address) : sd_bus_open_system(&bus);
	if (r < 0 ||
		(r = sd_bus_match_signal(bus, NULL, bus_name(link), SCANOUT_BUS_PATH,
			 SCANOUT_MANAGER_INTERFACE, "ScanoutEnded", handle_ended, link)) < 0 ||
		(r = sd_bus_match_signal(bus, NULL, bus_name(link), NULL, PROPERTIES,
			 "PropertiesChanged", handle_changed, link)) < 0 ||
		(r = sd_bus_attach_event(bus, link->event, SD_EVENT_PRIORITY_NORMAL)) < 0) {
		return r;
	}
	link->bus = TAKE_PTR(bus);
	return 0;
}

static int handle_reply(sd_bus_message *message, void *data, sd_bus_error *error) {
	*(sd_bus_message **)data = sd_bus_message_ref(message);
	return 1;
}

/* Like sd_bus_call(), but a signal that wants to end the program gets through. */
static int call(struct link *link, sd_bus_message *message, uint64_t timeout_usec,
	sd_bus_error *error, sd_bus_message **ret) {
	sd_bus_slot *slot = NULL;
	sd_bus_message *reply = NULL;

	int r = sd_bus_call_async(link->bus, &slot, message, handle_reply, &reply, timeout_usec);
	while (r >= 0 && !reply) {
		r = sd_bus_process(link->bus, NULL);
		if (r == 0) {
			r = is_interrupted() ? -EINTR : sd_bus_wait(link->bus, STEP_USEC);
			r = r == -EINTR && !is_interrupted() ? 0 : r;
		}
	}
	sd_bus_slot_unref(slot);
	if (r < 0) {
		sd_bus_message_unref(reply);
		return r;
	}
	if (sd_bus_message_is_method_error(reply, NULL)) {
		sd_bus_error_copy(error, sd_bus_message_get_error(reply));
		r = -sd_bus_message_get_errno(reply);
		sd_bus_message_unref(reply);
		return r < 0 ? r : -EIO;
	}
	*ret = reply;
	return 0;
}

static int try_request(
	struct link *link, const struct wish *wish, struct grant *ret, sd_bus_error *error) {
	AUTO_MESSAGE sd_bus_message *message = NULL, *reply = NULL;
	int r = open_connection(link);
	if (r < 0 ||
		(r = sd_bus_message_new_method_call(link->bus, &message, bus_name(link),
			 SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE, "RequestScanout")) < 0 ||
		(r = wish_append(wish, message)) < 0) {
		return r;
	}
	r = call(link, message, wish->timeout_usec + ANSWER_USEC, error, &reply);
	return r < 0 ? r : grant_read(ret, reply);
}

/* Whether scanoutd is not there, as opposed to there and unwilling. */
static bool is_absent(int r, const sd_bus_error *error) {
	if (!sd_bus_error_is_set(error)) {
		return r != -EINTR && r != -EBADMSG && r != -ENOMEM;
	}
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_DISCONNECTED);
}

static void say_absent(const struct link *link, const char *what, int r) {
	if (getenv("SCANOUT_ADDRESS")) {
		say("%s at $SCANOUT_ADDRESS, '%s': %s", what, getenv("SCANOUT_ADDRESS"),
			strerror(-r));
	} else if (link->is_peer) {
		say("%s at " LINK_GUEST_SOCKET ": %s", what, strerror(-r));
	} else if (r == -ENOENT) {
		say("%s: there is neither " LINK_GUEST_SOCKET " nor a system bus here; start the "
		    "container with -v /run/scanoutd/guest:/run/scanoutd/guest",
			what);
	} else {
		say("%s on the system bus: %s", what, strerror(-r));
	}
}

/* Waits a moment, unless a signal wants to end the program. */
static int pause_or_interrupt(void) {
	for (int i = 0; i < 3; i++) {
		if (is_interrupted()) {
			return -EINTR;
		}
		usleep(STEP_USEC);
	}
	return 0;
}

static void adopt_grant(struct link *link, const struct grant *grant) {
	free(link->path);
	link->path = strdup(grant->path);
	snprintf(link->id, sizeof(link->id), "%s", grant->id);
	link->generation = grant->generation;
	link->reason[0] = '\0';
	link->width = 0;
	link->height = 0;
}

int link_request(struct link *link, const struct wish *wish, struct grant *ret) {
	uint64_t deadline = now_usec() + wish->timeout_usec;
	struct wish now = *wish;
	bool told = false;

	for (;;) {
		AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
		uint64_t time = now_usec();
		now.timeout_usec = time < deadline ? deadline - time : 0;
		int r = try_request(link, &now, ret, &error);
		if (r >= 0) {
			adopt_grant(link, ret);
			return 0;
		}
		if (sd_bus_error_has_name(&error, SCANOUT_ERROR_INVALID_OPTION) && now.width) {
			/* A scanoutd without a link to the host does not size outputs. */
			now.width = now.height = 0;
			continue;
		}
		if (!is_absent(r, &error)) {
			if (r != -EINTR) {
				say("No scanout: %s", error.message ? error.message : strerror(-r));
			}
			return r;
		}
		if (now.timeout_usec == 0) {
			say_absent(link, "Found no scanoutd", r);
			return r;
		}
		if (!told) {
			say_absent(link, "Waiting for scanoutd", r);
			told = true;
		}
		r = pause_or_interrupt();
		if (r < 0) {
			return r;
		}
	}
}

/* With its generation, the id names this lease and never somebody's next one. */
void link_release(struct link *link) {
	AUTO_MESSAGE sd_bus_message *message = NULL, *reply = NULL;
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	char id[sizeof(link->id) + 24];

	if (link->generation == 0) {
		return;
	}
	snprintf(id, sizeof(id), "%s#%" PRIu64, link->id, link->generation);
	link->generation = 0;
	if (open_connection(link) >= 0 &&
		sd_bus_message_new_method_call(link->bus, &message, bus_name(link),
			SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE, "ReleaseScanout") >= 0 &&
		sd_bus_message_append(message, "s", id) >= 0) {
		/* A refusal means that the kernel has ended it before us. */
		(void)sd_bus_call(link->bus, message, ANSWER_USEC, &error, &reply);
	}
}
