#include "daemon/bus/bus_manager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/bus/bus_options.h"
#include "daemon/bus/bus_property.h"
#include "daemon/bus/bus_scanout.h"
#include "daemon/core/modes.h"
#include "daemon/core/request.h"
#include "daemon/drain/linger.h"
#include "daemon/model/identity.h"
#include "daemon/model/scanout_log.h"
#include "daemon/util/failpoint.h"
#include "daemon/util/log.h"
#include "scanout/dbus_names.h"

/* A RequestScanout without an answer yet. */
struct call {
	struct peer *peer;
	sd_bus_message *message;
	struct waiter *waiter;
	int served_fd;          // the message's; -1: none
	sd_bus_track *track;    // of the caller, while it waits
	TAILQ_ENTRY(call) link; // peer::calls
};

static int reply_refusal(sd_bus_message *message, const struct refusal *refusal) {
	log_debug("Refused %s: %s: %s", sd_bus_message_get_sender(message),
		refusal_error_name(refusal->code), refusal->message);
	return sd_bus_reply_method_errorf(
		message, refusal_error_name(refusal->code), "%s", refusal->message);
}

static int reply_unknown_sender(sd_bus_message *message, int error) {
	struct refusal refusal;
	if (error == -ETIMEDOUT) {
		refusal_set(&refusal, REFUSAL_DEVICE_BUSY,
			"scanoutd cannot find out who you are: the bus does not answer it. Ask again "
			"later.");
	} else if (error == -EMFILE || error == -ENFILE || error == -ENOMEM) {
		refusal_set(&refusal, REFUSAL_DEVICE_BUSY,
			"scanoutd cannot find out who you are: %s. Ask again later.",
			strerror(-error));
	} else {
		refusal_set(&refusal, REFUSAL_NOT_ALLOWED,
			"You cannot be identified (%s). Stay connected until the answer is there.",
			strerror(-error));
	}
	return reply_refusal(message, &refusal);
}

/* The lease ends by itself: nobody has it. */
static int reply_not_handed_over(
	sd_bus_message *message, const struct scanout *scanout, int error) {
	struct refusal refusal;
	scanout_log(LOG_ERR, scanout, "Cannot hand over the lease: %s", strerror(-error));
	refusal_set(&refusal, REFUSAL_DEVICE_BUSY,
		"scanoutd cannot hand over %s: %s. Ask again later.", scanout->id,
		strerror(-error));
	return reply_refusal(message, &refusal);
}

/* The info dictionary of a lease, as RequestScanout and ScanoutLeased tell it. */
static int append_info(sd_bus_message *m, const struct lease *lease, int spare_fd) {
	const struct scanout *s = lease->scanout;
	const struct card *card = s->card;

	int r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "id", "s", s->id,
		"index", "u", (uint32_t)s->index, "device", "s", card->device, "devnum", "(uu)",
		card->major, card->minor, "connector", "u", s->objects.connector, "crtc", "u",
		s->objects.crtc, "lessee", "u", lease->lessee, "generation", "t", lease->generation,
		"mode", "(uuu)", s->preferred.width, s->preferred.height, s->preferred.refresh,
		"linger", "t", linger_usec(s));
	if (r < 0) {
		return r;
	}
	r = bus_append_planes(m, "planes", &s->objects);
	if (r < 0) {
		return r;
	}
	if (spare_fd >= 0) {
		r = sd_bus_message_append(m, "{sv}", "spare_fd", "h", spare_fd);
		if (r < 0) {
			return r;
		}
	}
	return sd_bus_message_close_container(m);
}

static int reply_grant(sd_bus_message *message, const struct grant *grant) {
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	AUTO_FREE char *path = NULL;

	int r = bus_scanout_path(grant->scanout, &path);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_new_method_return(message, &reply);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_append(reply, "ho", grant->fd, path); // duplicates the fd
	if (r < 0) {
		return r;
	}
	r = append_info(reply, grant->lease, grant->spare_fd);
	if (r < 0) {
		return r;
	}
	return sd_bus_send(NULL, reply, NULL);
}

static void call_destroy(struct call *call) {
	TAILQ_REMOVE(&call->peer->calls, call, link);
	sd_bus_track_unref(call->track);
	peer_note_shown(call->peer, call->served_fd);
	sd_bus_message_unref(call->message);
	free(call);
}

static void on_granted(void *data, struct grant *grant, const struct refusal *refusal) {
	struct call *call = data;

	if (grant) {
		/* Our copies go at once, whatever became of the reply: from here on the lease
		 * lives as long as the caller wants. One that nobody got ends by itself. */
		AUTO_CLOSE int fd = grant->fd;
		AUTO_CLOSE int spare_fd = grant->spare_fd;
		int r = FAILPOINT("grant-reply");
		if (r >= 0) {
			r = reply_grant(call->message, grant);
		}
		if (r < 0) {
			reply_not_handed_over(call->message, grant->scanout, r);
		}
		FAILPOINT("grant-replied");
	} else {
		reply_refusal(call->message, refusal);
	}
	call_destroy(call);
}

static int on_caller_gone(sd_bus_track *track, void *data) {
	struct call *call = data;
	log_debug("%s went away while it waited", sd_bus_message_get_sender(call->message));
	request_cancel(call->peer->manager, call->waiter);
	call_destroy(call);
	return 0;
}

static int watch_caller(struct call *call) {
	if (call->peer->agents) {
		return 0; // its connection is watched as such
	}
	int r = sd_bus_track_new(call->peer->connection, &call->track, on_caller_gone, call);
	return r < 0 ? r : sd_bus_track_add_sender(call->track, call->message);
}

/* Whom the request is for: the caller, or whom an agent serves. */
static int identify_holder(struct peer *peer, sd_bus_message *message, const struct wish *wish,
	struct identity *ret, struct refusal *refusal) {
	struct identity caller;
	refusal->code = REFUSAL_NONE;
	int r = peer_identify(peer, message, &caller);
	if (r < 0) {
		return r;
	}
	if (!wish->serves) {
		*ret = caller;
		return 0;
	}
	if (!caller.agent) {
		refusal_set(refusal, REFUSAL_NOT_ALLOWED,
			"'for' is for seat services alone, on the agents' socket. Leave it out and ask "
			"for yourself.");
		return 0;
	}
	peer_note_shown(peer, wish->served_fd);
	r = identity_of_served(wish->served_fd, &caller, ret);
	if (r < 0) {
		refusal_set(refusal, REFUSAL_NOT_ALLOWED,
			"'for' does not tell whom it is for (%s). Give it a socket which a process "
			"that still lives has connected.",
			strerror(-r));
	}
	return 0;
}

static int method_request_scanout(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct peer *peer = data;
	struct identity identity;
	struct refusal refusal;
	struct wish wish;

	int r = bus_options_read(message, &wish, &refusal);
	if (r < 0) {
		return r;
	}
	if (refusal.code != REFUSAL_NONE) {
		return reply_refusal(message, &refusal);
	}
	r = identify_holder(peer, message, &wish, &identity, &refusal);
	if (r < 0) {
		return reply_unknown_sender(message, r);
	}
	if (refusal.code != REFUSAL_NONE) {
		return reply_refusal(message, &refusal);
	}
	struct call *call = calloc(1, sizeof(*call));
	if (!call) {
		return -ENOMEM;
	}
	call->peer = peer;
	call->served_fd = wish.serves ? wish.served_fd : -1;
	call->message = sd_bus_message_ref(message);
	TAILQ_INSERT_TAIL(&peer->calls, call, link);
	struct waiter *waiter = request_scanout(peer->manager, &wish, &identity, on_granted, call);
	if (waiter) {
		call->waiter = waiter;
		r = watch_caller(call);
		if (r < 0) {
			request_cancel(peer->manager, waiter);
			call_destroy(call);
			return reply_unknown_sender(message, r);
		}
	}
	return 1;
}

static int method_release_scanout(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct peer *peer = data;
	struct identity identity;
	struct refusal refusal;
	const char *id;

	int r = sd_bus_message_read(message, "s", &id);
	if (r < 0) {
		return r;
	}
	r = peer_identify(peer, message, &identity);
	if (r < 0) {
		return reply_unknown_sender(message, r);
	}
	if (request_release(peer->manager, &identity, id, &refusal) != REFUSAL_NONE) {
		return reply_refusal(message, &refusal);
	}
	return sd_bus_reply_method_return(message, NULL);
}

struct listing {
	struct peer peer; // a copy: the agent may be gone when the answer is ready
	sd_bus_message *message;
};

static int append_all(sd_bus_message *reply, const struct peer *peer) {
	struct card *card;
	struct scanout *scanout;
	int r = sd_bus_message_open_container(reply, 'a', "a{sv}");
	if (r < 0) {
		return r;
	}
	MANAGER_FOREACH_SCANOUT (peer->manager, card, scanout) {
		r = peer_sees(peer, scanout) ? bus_scanout_append(reply, scanout) : 0;
		if (r < 0) {
			return r;
		}
	}
	return sd_bus_message_close_container(reply);
}

static void reply_list(void *data) {
	struct listing *listing = data;
	AUTO_MESSAGE sd_bus_message *message = listing->message;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	struct peer peer = listing->peer;

	free(listing);
	int r = sd_bus_message_new_method_return(message, &reply);
	if (r >= 0) {
		r = append_all(reply, &peer);
	}
	if (r >= 0) {
		r = sd_bus_send(NULL, reply, NULL);
	}
	if (r < 0) {
		log_error("Cannot answer ListScanouts: %s", strerror(-r));
		sd_bus_reply_method_errno(message, r, NULL);
	}
}

static int method_list_scanouts(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct peer *peer = data;
	struct listing *listing = calloc(1, sizeof(*listing));
	if (!listing) {
		return -ENOMEM;
	}
	*listing = (struct listing){*peer, sd_bus_message_ref(message)};
	modes_refresh(peer->manager, reply_list, listing);
	return 1;
}

void bus_manager_emit_leased(struct peer *peer, const struct lease *lease) {
	AUTO_MESSAGE sd_bus_message *signal = NULL;
	AUTO_FREE char *path = NULL;
	int r = bus_scanout_path(lease->scanout, &path);
	if (r >= 0) {
		r = sd_bus_message_new_signal(peer->connection, &signal, SCANOUT_BUS_PATH,
			SCANOUT_MANAGER_INTERFACE, "ScanoutLeased");
	}
	if (r >= 0) {
		r = sd_bus_message_append(signal, "o", path);
	}
	if (r >= 0) {
		r = append_info(signal, lease, -1);
	}
	if (r >= 0) {
		sd_bus_send(NULL, signal, NULL); // without a bus nobody hears it: no matter
	}
}

void bus_manager_emit_paused(struct peer *peer) {
	sd_bus_emit_properties_changed(
		peer->connection, SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE, "Paused", NULL);
}

void bus_manager_drop_calls(struct peer *peer) {
	struct call *call;
	while ((call = TAILQ_FIRST(&peer->calls))) {
		request_cancel(peer->manager, call->waiter);
		call_destroy(call);
	}
}

/* Anybody whom the bus policy lets through: what a caller may do is decided here, by policy.c. */
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Version", "s", bus_property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Free", "u", bus_property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Total", "u", bus_property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Paused", "b", bus_property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Warnings", "as", bus_property_get, 0, 0),
	SD_BUS_METHOD_WITH_ARGS("RequestScanout", SD_BUS_ARGS("a{sv}", options),
		SD_BUS_RESULT("h", lease_fd, "o", scanout, "a{sv}", info), method_request_scanout,
		ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ReleaseScanout", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT,
		method_release_scanout, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListScanouts", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", scanouts),
		method_list_scanouts, ANYBODY),
	SD_BUS_SIGNAL_WITH_ARGS("ScanoutLeased", SD_BUS_ARGS("o", scanout, "a{sv}", info), 0),
	SD_BUS_SIGNAL_WITH_ARGS("ScanoutEnded", SD_BUS_ARGS("o", scanout, "s", reason), 0),
	SD_BUS_VTABLE_END,
};

/* sd-bus does not allow a plain vtable on a path that has a fallback one, the scanouts'. */
static int find_manager(sd_bus *connection, const char *path, const char *interface, void *data,
	void **ret_found, sd_bus_error *error) {
	*ret_found = data;
	return strcmp(path, SCANOUT_BUS_PATH) == 0;
}

int bus_manager_register(struct peer *peer) {
	int r = sd_bus_add_fallback_vtable(peer->connection, NULL, SCANOUT_BUS_PATH,
		SCANOUT_MANAGER_INTERFACE, manager_vtable, find_manager, peer);
	if (r < 0) {
		return r;
	}
	r = bus_scanout_register(peer);
	if (r < 0) {
		return r;
	}
	return sd_bus_add_object_manager(peer->connection, NULL, SCANOUT_BUS_PATH);
}
