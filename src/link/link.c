#include "link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "common/say.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define STEP_USEC (100 * 1000)
#define CHECK_USEC (1000 * 1000)
/* How often a scanout may be unknown after a restart before it is taken for gone. */
#define MAX_UNKNOWN 10

static uint64_t now_usec(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000) + t.tv_nsec / 1000;
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

/* A property that is 'b' or 'u'; others are passed over. */
struct wanted {
	const char *name, *type;
	void *value;
};

static const struct wanted *find_wanted(const struct wanted *wanted, const char *name) {
	while (wanted->name && strcmp(wanted->name, name) != 0) {
		wanted++;
	}
	return wanted->name ? wanted : NULL;
}

static int read_changes(sd_bus_message *message, const struct wanted *wanted) {
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
		const struct wanted *found = find_wanted(wanted, name);
		r = found ? sd_bus_message_read(message, "v", found->type, found->value)
			  : sd_bus_message_skip(message, "v");
		if (r < 0 || (r = sd_bus_message_exit_container(message)) < 0) {
			return r;
		}
	}
	return r;
}

static void read_paused(struct link *link, sd_bus_message *message) {
	int paused = link->paused; // sd-bus writes a 'b' into an int
	const struct wanted wanted[] = {{"Paused", "b", &paused}, {0}};
	if (read_changes(message, wanted) >= 0) {
		link->paused = paused;
		note(link);
	}
}

/* 0: the host has disconnected it. */
static void note_size(struct link *link, uint32_t width, uint32_t height) {
	if (width != 0 && height != 0 && (width != link->width || height != link->height)) {
		link->was_resized = true;
		note(link);
	}
	link->width = width;
	link->height = height;
}

static int handle_changed(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct link *link = data;
	const char *path = sd_bus_message_get_path(message);
	uint32_t width = link->width, height = link->height;
	const struct wanted wanted[] = {
		{"PreferredWidth", "u", &width}, {"PreferredHeight", "u", &height}, {0}};

	if (path && strcmp(path, SCANOUT_BUS_PATH) == 0) {
		read_paused(link, message);
		return 0;
	}
	if (!link->path || link->generation == 0 || !path || strcmp(path, link->path) != 0 ||
		read_changes(message, wanted) < 0) {
		return 0;
	}
	note_size(link, width, height);
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
	if (link->told_paused != link->paused) {
		link->told_paused = link->paused;
		link->events->paused(link->events_data, link->paused);
	}
	return 0;
}

/* 0 if the lease is still ours, -ESTALE if not, -EAGAIN if scanoutd is not there yet. */
static int check_lease(struct link *link) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *name = channel_name(&link->channel);
	uint64_t generation;
	uint32_t width, height;
	AUTO_FREE char *state = NULL;

	int r = channel_open(&link->channel, link->event);
	if (r >= 0) {
		r = sd_bus_get_property_trivial(link->channel.bus, name, link->path,
			SCANOUT_SCANOUT_INTERFACE, "Generation", &error, 't', &generation);
	}
	if (r >= 0) {
		r = sd_bus_get_property_string(link->channel.bus, name, link->path,
			SCANOUT_SCANOUT_INTERFACE, "State", &error, &state);
	}
	if (r < 0) {
		/* One that has just started knows no scanouts until the card is open. */
		return channel_is_absent(r, &error) || ++link->n_unknown < MAX_UNKNOWN ? -EAGAIN
										       : -ESTALE;
	}
	if (generation != link->generation || strcmp(state, "leased") != 0) {
		return -ESTALE;
	}
	/* What was told meanwhile was not heard. */
	if (sd_bus_get_property_trivial(link->channel.bus, name, link->path,
		    SCANOUT_SCANOUT_INTERFACE, "PreferredWidth", NULL, 'u', &width) >= 0 &&
		sd_bus_get_property_trivial(link->channel.bus, name, link->path,
			SCANOUT_SCANOUT_INTERFACE, "PreferredHeight", NULL, 'u', &height) >= 0) {
		note_size(link, width, height);
	}
	return 0;
}

static int check_later(struct link *link);

/* After scanoutd was away: it may have kept the lease, and then nothing has happened. */
static int handle_check(sd_event_source *source, uint64_t usec, void *data) {
	struct link *link = data;
	link->checker = sd_event_source_disable_unref(link->checker);
	int r = link->generation != 0 ? check_lease(link) : 0;
	if (r == -ESTALE) {
		snprintf(link->reason, sizeof(link->reason), "lost");
		note(link);
	}
	return r == -EAGAIN ? check_later(link) : 0;
}

static int check_later(struct link *link) {
	sd_event_source_disable_unref(link->checker);
	link->checker = NULL;
	return sd_event_add_time_relative(
		link->event, &link->checker, CLOCK_MONOTONIC, CHECK_USEC, 0, handle_check, link);
}

/* The connection is gone, or scanoutd is another process than before. */
static int handle_away(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct link *link = data;
	link->n_unknown = 0;
	(void)check_later(link);
	return 0;
}

static int handle_opened(void *data, sd_bus *bus, const char *sender) {
	struct link *link = data;
	int r = sd_bus_match_signal(bus, NULL, sender, SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE,
		"ScanoutEnded", handle_ended, link);
	if (r < 0 ||
		(r = sd_bus_match_signal(bus, NULL, sender, NULL, PROPERTIES, "PropertiesChanged",
			 handle_changed, link)) < 0 ||
		(r = sd_bus_match_signal(bus, NULL, NULL, "/org/freedesktop/DBus/Local",
			 "org.freedesktop.DBus.Local", "Disconnected", handle_away, link)) < 0) {
		return r;
	}
	/* On a bus the connection stays when scanoutd goes. */
	return sender ? sd_bus_add_match(bus, NULL,
				"type='signal',sender='org.freedesktop.DBus',"
				"interface='org.freedesktop.DBus',member='NameOwnerChanged',"
				"arg0='" SCANOUT_BUS_NAME "'",
				handle_away, link)
		      : 0;
}

int link_init(struct link *link, sd_event *event, const struct link_events *events, void *data) {
	*link = (struct link){
		.events = events,
		.events_data = data,
		.channel = {.opened = handle_opened, .data = link},
	};
	int r = sd_event_add_defer(event, &link->notice, handle_notice, link);
	if (r < 0 || (r = sd_event_source_set_enabled(link->notice, SD_EVENT_OFF)) < 0) {
		return r;
	}
	link->event = sd_event_ref(event);
	return 0;
}

void link_finish(struct link *link) {
	link_release(link);
	channel_close(&link->channel);
	free(link->path);
	sd_event_source_disable_unref(link->checker);
	sd_event_source_disable_unref(link->notice);
	sd_event_unref(link->event);
}

static int try_request(
	struct link *link, const struct wish *wish, struct grant *ret, sd_bus_error *error) {
	AUTO_MESSAGE sd_bus_message *message = NULL, *reply = NULL;
	int r = channel_open(&link->channel, link->event);
	if (r < 0 ||
		(r = sd_bus_message_new_method_call(link->channel.bus, &message,
			 channel_name(&link->channel), SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE,
			 "RequestScanout")) < 0 ||
		(r = wish_append(wish, message)) < 0) {
		return r;
	}
	r = channel_call(
		&link->channel, message, wish->timeout_usec + CHANNEL_ANSWER_USEC, error, &reply);
	return r < 0 ? r : grant_read(ret, reply);
}

/* Waits a moment, unless a signal wants to end the program. */
static int pause_or_interrupt(void) {
	for (int i = 0; i < 3; i++) {
		if (channel_is_interrupted()) {
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
	/* The size that the compositor starts with. */
	link->width = grant->width;
	link->height = grant->height;
}

int link_request(struct link *link, const struct wish *wish, struct grant *ret) {
	uint64_t time = now_usec();
	uint64_t deadline = time + wish->timeout_usec;
	struct wish now = *wish;
	bool told = false;

	for (;; time = now_usec()) {
		AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
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
		if (!channel_is_absent(r, &error)) {
			if (r != -EINTR) {
				say("No scanout: %s", error.message ? error.message : strerror(-r));
			}
			return r;
		}
		if (now.timeout_usec == 0) {
			channel_say_absent(&link->channel, "Found no scanoutd", r);
			return r;
		}
		if (!told) {
			channel_say_absent(&link->channel, "Waiting for scanoutd", r);
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
	if (channel_open(&link->channel, link->event) >= 0 &&
		sd_bus_message_new_method_call(link->channel.bus, &message,
			channel_name(&link->channel), SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE,
			"ReleaseScanout") >= 0 &&
		sd_bus_message_append(message, "s", id) >= 0) {
		/* A refusal means that the kernel has ended it before us. */
		(void)sd_bus_call(link->channel.bus, message, CHANNEL_ANSWER_USEC, &error, &reply);
	}
}
