#include "lib/scanout_client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "scanout/dbus_names.h"

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

/* The client's own messages may come while a call waits, so they only leave a note. */
static void note(struct scanout_client *client) {
	(void)sd_event_source_set_enabled(client->notice, SD_EVENT_ONESHOT);
}

static int handle_ended(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct scanout_client *client = data;
	const char *path, *reason;
	if (sd_bus_message_read(message, "os", &path, &reason) < 0) {
		return 0;
	}
	if (client->path && client->generation != 0 && strcmp(path, client->path) == 0) {
		snprintf(client->reason, sizeof(client->reason), "%s", reason);
		note(client);
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

static void read_paused(struct scanout_client *client, sd_bus_message *message) {
	int paused = client->paused; // sd-bus writes a 'b' into an int
	const struct wanted wanted[] = {{"Paused", "b", &paused}, {0}};
	if (read_changes(message, wanted) >= 0) {
		client->paused = paused;
		note(client);
	}
}

/* 0: the host has disconnected it. */
static void note_size(struct scanout_client *client, uint32_t width, uint32_t height) {
	if (width != 0 && height != 0 && (width != client->width || height != client->height)) {
		client->was_resized = true;
		note(client);
	}
	client->width = width;
	client->height = height;
}

static int handle_changed(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct scanout_client *client = data;
	const char *path = sd_bus_message_get_path(message);
	uint32_t width = client->width, height = client->height;
	const struct wanted wanted[] = {
		{"PreferredWidth", "u", &width}, {"PreferredHeight", "u", &height}, {0}};

	if (path && strcmp(path, SCANOUT_BUS_PATH) == 0) {
		read_paused(client, message);
		return 0;
	}
	if (!client->path || client->generation == 0 || !path || strcmp(path, client->path) != 0 ||
		read_changes(message, wanted) < 0) {
		return 0;
	}
	note_size(client, width, height);
	return 0;
}

static int handle_notice(sd_event_source *source, void *data) {
	struct scanout_client *client = data;
	if (client->reason[0] != '\0') {
		char reason[sizeof(client->reason)];
		strcpy(reason, client->reason);
		client->reason[0] = '\0';
		client->generation = 0;
		/* "closed" is the program's own doing. "released" is another process's: what we
		 * release has no generation any more when its end is signalled. */
		if (strcmp(reason, "closed") != 0) {
			client->events->revoked(client->events_data, reason);
		}
	}
	if (client->was_resized) {
		client->was_resized = false;
		client->events->resized(client->events_data);
	}
	if (client->told_paused != client->paused) {
		client->told_paused = client->paused;
		client->events->paused(client->events_data, client->paused);
	}
	return 0;
}

/* 0 if the lease is still ours, -ESTALE if not, -EAGAIN if scanoutd is not there yet. */
static int check_lease(struct scanout_client *client) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *name = connection_name(&client->connection);
	uint64_t generation;
	uint32_t width, height;
	AUTO_FREE char *state = NULL;

	int r = connection_open(&client->connection, client->event);
	if (r >= 0) {
		r = sd_bus_get_property_trivial(client->connection.bus, name, client->path,
			SCANOUT_SCANOUT_INTERFACE, "Generation", &error, 't', &generation);
	}
	if (r >= 0) {
		r = sd_bus_get_property_string(client->connection.bus, name, client->path,
			SCANOUT_SCANOUT_INTERFACE, "State", &error, &state);
	}
	if (r < 0) {
		/* One that has just started knows no scanouts until the card is open. */
		return connection_is_absent(r, &error) || ++client->n_unknown < MAX_UNKNOWN
			       ? -EAGAIN
			       : -ESTALE;
	}
	if (generation != client->generation || strcmp(state, "leased") != 0) {
		return -ESTALE;
	}
	/* What was told meanwhile was not heard. */
	if (sd_bus_get_property_trivial(client->connection.bus, name, client->path,
		    SCANOUT_SCANOUT_INTERFACE, "PreferredWidth", NULL, 'u', &width) >= 0 &&
		sd_bus_get_property_trivial(client->connection.bus, name, client->path,
			SCANOUT_SCANOUT_INTERFACE, "PreferredHeight", NULL, 'u', &height) >= 0) {
		note_size(client, width, height);
	}
	return 0;
}

static int check_later(struct scanout_client *client);

/* After scanoutd was away: it may have kept the lease, and then nothing has happened. */
static int handle_check(sd_event_source *source, uint64_t usec, void *data) {
	struct scanout_client *client = data;
	client->checker = sd_event_source_disable_unref(client->checker);
	int r = client->generation != 0 ? check_lease(client) : 0;
	if (r == -ESTALE) {
		snprintf(client->reason, sizeof(client->reason), "lost");
		note(client);
	}
	return r == -EAGAIN ? check_later(client) : 0;
}

static int check_later(struct scanout_client *client) {
	sd_event_source_disable_unref(client->checker);
	client->checker = NULL;
	return sd_event_add_time_relative(client->event, &client->checker, CLOCK_MONOTONIC,
		CHECK_USEC, 0, handle_check, client);
}

/* The connection is gone, or scanoutd is another process than before. */
static int handle_away(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct scanout_client *client = data;
	client->n_unknown = 0;
	(void)check_later(client);
	return 0;
}

static int handle_opened(void *data, sd_bus *bus, const char *sender) {
	struct scanout_client *client = data;
	int r = sd_bus_match_signal(bus, NULL, sender, SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE,
		"ScanoutEnded", handle_ended, client);
	if (r < 0 ||
		(r = sd_bus_match_signal(bus, NULL, sender, NULL, PROPERTIES, "PropertiesChanged",
			 handle_changed, client)) < 0 ||
		(r = sd_bus_match_signal(bus, NULL, NULL, "/org/freedesktop/DBus/Local",
			 "org.freedesktop.DBus.Local", "Disconnected", handle_away, client)) < 0) {
		return r;
	}
	/* On a bus the connection stays when scanoutd goes. */
	return sender ? sd_bus_add_match(bus, NULL,
				"type='signal',sender='org.freedesktop.DBus',"
				"interface='org.freedesktop.DBus',member='NameOwnerChanged',"
				"arg0='" SCANOUT_BUS_NAME "'",
				handle_away, client)
		      : 0;
}

int scanout_client_init(struct scanout_client *client, sd_event *event,
	const struct scanout_client_events *events, void *data) {
	*client = (struct scanout_client){
		.events = events,
		.events_data = data,
		.connection = {.opened = handle_opened, .data = client},
	};
	int r = sd_event_add_defer(event, &client->notice, handle_notice, client);
	if (r < 0 || (r = sd_event_source_set_enabled(client->notice, SD_EVENT_OFF)) < 0) {
		return r;
	}
	client->event = sd_event_ref(event);
	return 0;
}

void scanout_client_finish(struct scanout_client *client) {
	scanout_client_release(client);
	connection_close(&client->connection);
	free(client->path);
	sd_event_source_disable_unref(client->checker);
	sd_event_source_disable_unref(client->notice);
	sd_event_unref(client->event);
}

static int try_request(struct scanout_client *client, const struct scanout_request *request,
	struct scanout_grant *ret, sd_bus_error *error) {
	AUTO_MESSAGE sd_bus_message *message = NULL, *reply = NULL;
	int r = connection_open(&client->connection, client->event);
	if (r < 0 ||
		(r = sd_bus_message_new_method_call(client->connection.bus, &message,
			 connection_name(&client->connection), SCANOUT_BUS_PATH,
			 SCANOUT_MANAGER_INTERFACE, "RequestScanout")) < 0 ||
		(r = scanout_request_append(request, message)) < 0) {
		return r;
	}
	r = connection_call(&client->connection, message,
		request->timeout_usec + CONNECTION_ANSWER_USEC, error, &reply);
	return r < 0 ? r : scanout_grant_read(ret, reply);
}

/* Waits a moment, unless a signal wants to end the program. */
static int pause_or_interrupt(void) {
	for (int i = 0; i < 3; i++) {
		if (connection_is_interrupted()) {
			return -EINTR;
		}
		usleep(STEP_USEC);
	}
	return 0;
}

static void adopt_grant(struct scanout_client *client, const struct scanout_grant *grant) {
	free(client->path);
	client->path = strdup(grant->path);
	snprintf(client->id, sizeof(client->id), "%s", grant->id);
	client->generation = grant->generation;
	client->reason[0] = '\0';
	/* The size that the compositor starts with. */
	client->width = grant->width;
	client->height = grant->height;
}

/* It is leased, or not blank yet: the request may be repeated. */
static bool is_busy(const sd_bus_error *error) {
	return sd_bus_error_has_names(error, SCANOUT_ERROR_BUSY, SCANOUT_ERROR_NO_FREE,
		SCANOUT_ERROR_TIMEOUT, SCANOUT_ERROR_DEVICE_BUSY);
}

int scanout_client_request(struct scanout_client *client, const struct scanout_request *request,
	struct scanout_grant *ret) {
	uint64_t time = now_usec();
	uint64_t deadline = time + request->timeout_usec;
	struct scanout_request now = *request;
	bool told = false;

	for (;; time = now_usec()) {
		AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
		now.timeout_usec = time < deadline ? deadline - time : 0;
		int r = try_request(client, &now, ret, &error);
		if (r >= 0) {
			adopt_grant(client, ret);
			return 0;
		}
		if (sd_bus_error_has_name(&error, SCANOUT_ERROR_INVALID_OPTION) && now.width) {
			/* A scanoutd without a link to the host does not size outputs. */
			now.width = now.height = 0;
			continue;
		}
		if (!connection_is_absent(r, &error)) {
			if (r != -EINTR) {
				say("No scanout: %s", error.message ? error.message : strerror(-r));
			}
			return is_busy(&error) ? -EBUSY : r;
		}
		if (now.timeout_usec == 0) {
			connection_say_absent(&client->connection, "Found no scanoutd", r);
			return r;
		}
		if (!told) {
			connection_say_absent(&client->connection, "Waiting for scanoutd", r);
			told = true;
		}
		r = pause_or_interrupt();
		if (r < 0) {
			return r;
		}
	}
}

/* With its generation, the id names this lease and never somebody's next one. */
void scanout_client_release(struct scanout_client *client) {
	AUTO_MESSAGE sd_bus_message *message = NULL, *reply = NULL;
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	char id[sizeof(client->id) + 24];

	if (client->generation == 0) {
		return;
	}
	snprintf(id, sizeof(id), "%s#%" PRIu64, client->id, client->generation);
	client->generation = 0;
	if (connection_open(&client->connection, client->event) >= 0 &&
		sd_bus_message_new_method_call(client->connection.bus, &message,
			connection_name(&client->connection), SCANOUT_BUS_PATH,
			SCANOUT_MANAGER_INTERFACE, "ReleaseScanout") >= 0 &&
		sd_bus_message_append(message, "s", id) >= 0) {
		/* A refusal means that the kernel has ended it before us. */
		(void)sd_bus_call(
			client->connection.bus, message, CONNECTION_ANSWER_USEC, &error, &reply);
	}
}
