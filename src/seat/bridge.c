#include "seat/bridge.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/socket.h"

/* Calls of one side that the other has not answered yet; more is a fault or worse. */
#define MAX_CALLS 1024
#define MAX_UNREAD 512
#define MAX_GROUPS 256
#define FOREVER UINT64_MAX

/* A call on its way, in either direction. */
struct bridge_call {
	struct bridge *bridge;
	sd_bus_message *original;
	sd_bus_slot *slot;
	LIST_ENTRY(bridge_call) link; // bridge.calls
};

LIST_HEAD(bridge_calls, bridge_call);

struct bridge {
	struct bus_client *client;
	sd_bus *bus;
	sd_bus_message *hello; // to be answered; may be NULL
	bool is_connected;     // the client has its name
	struct bridge_calls calls;
	unsigned n_calls;
};

static void call_destroy(struct bridge_call *call) {
	LIST_REMOVE(call, link);
	call->bridge->n_calls--;
	sd_bus_slot_unref(call->slot);
	sd_bus_message_unref(call->original);
	free(call);
}

/* Copies what the addressee may need to know beside the content. */
static int copy(sd_bus_message *to, sd_bus_message *from, bool with_sender) {
	const char *sender = sd_bus_message_get_sender(from);
	int r = with_sender && sender ? sd_bus_message_set_sender(to, sender) : 0;
	return r < 0 ? r : sd_bus_message_copy(to, from, 1);
}

static int send_reply(sd_bus_message *call, sd_bus_message *reply, bool with_sender) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	sd_bus_error name = SD_BUS_ERROR_NULL;
	int r;

	if (error) {
		name.name = error->name; /* the words are in what is copied */
		r = sd_bus_message_new_method_error(call, &message, &name);
	} else {
		r = sd_bus_message_new_method_return(call, &message);
	}
	if (r < 0 || (r = copy(message, reply, with_sender)) < 0) {
		return r;
	}
	return sd_bus_send(sd_bus_message_get_bus(call), message, NULL);
}

static int handle_reply(sd_bus_message *reply, void *data, sd_bus_error *error) {
	struct bridge_call *call = data;
	bool is_clients =
		sd_bus_message_get_bus(call->original) == call->bridge->client->served.bus;
	int r = send_reply(call->original, reply, is_clients);
	if (r < 0) {
		(void)sd_bus_reply_method_errnof(call->original, r, "The answer was lost: %m");
	}
	call_destroy(call);
	return 1;
}

static int hand_on_call(struct bridge *bridge, sd_bus *to, sd_bus_message *call, bool with_sender) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	int r = sd_bus_message_new_method_call(to, &message, sd_bus_message_get_destination(call),
		sd_bus_message_get_path(call), sd_bus_message_get_interface(call),
		sd_bus_message_get_member(call));
	if (r < 0 || (r = copy(message, call, with_sender)) < 0 ||
		(r = sd_bus_message_set_auto_start(message, sd_bus_message_get_auto_start(call))) <
			0 ||
		(r = sd_bus_message_set_allow_interactive_authorization(
			 message, sd_bus_message_get_allow_interactive_authorization(call))) < 0) {
		return r;
	}
	if (!sd_bus_message_get_expect_reply(call)) {
		r = sd_bus_message_set_expect_reply(message, 0);
		return r < 0 ? r : sd_bus_send(to, message, NULL);
	}
	struct bridge_call *pending =
		bridge->n_calls < MAX_CALLS ? calloc(1, sizeof(*pending)) : NULL;
	if (!pending) {
		return -ENOBUFS;
	}
	pending->bridge = bridge;
	pending->original = sd_bus_message_ref(call);
	LIST_INSERT_HEAD(&bridge->calls, pending, link);
	bridge->n_calls++;
	r = sd_bus_call_async(to, &pending->slot, message, handle_reply, pending, FOREVER);
	if (r < 0) {
		call_destroy(pending);
	}
	return r;
}

static int hand_on_signal(sd_bus *to, sd_bus_message *signal, bool with_sender) {
	AUTO_MESSAGE sd_bus_message *message = NULL;
	const char *destination = sd_bus_message_get_destination(signal);
	int r = sd_bus_message_new_signal(to, &message, sd_bus_message_get_path(signal),
		sd_bus_message_get_interface(signal), sd_bus_message_get_member(signal));
	if (r >= 0 && destination) {
		r = sd_bus_message_set_destination(message, destination);
	}
	if (r < 0 || (r = copy(message, signal, with_sender)) < 0) {
		return r;
	}
	return sd_bus_send(to, message, NULL);
}

/* A side with so many unread messages does not read any more. */
static int check_queue(sd_bus *to) {
	uint64_t unread;
	int r = sd_bus_get_n_queued_write(to, &unread);
	return r < 0 ? r : unread > MAX_UNREAD ? -ENOBUFS : 0;
}

/* Refusals are the caller's to hear; the connection that failed is found by itself. */
static int hand_on(struct bridge *bridge, sd_bus *to, sd_bus_message *message, bool with_sender) {
	int r = check_queue(to);
	if (r < 0) {
		return r;
	}
	if (sd_bus_message_is_method_call(message, NULL, NULL) > 0) {
		r = hand_on_call(bridge, to, message, with_sender);
		if (r < 0 && sd_bus_message_get_expect_reply(message)) {
			(void)sd_bus_reply_method_errnof(message, r, "It cannot be handed on: %m");
		}
	} else if (sd_bus_message_is_signal(message, NULL, NULL) > 0) {
		(void)hand_on_signal(to, message, with_sender);
	}
	return 1;
}

int bridge_forward(struct bridge *bridge, sd_bus_message *message) {
	return hand_on(bridge, bridge->bus, message, false);
}

/* Whether it is about the service's name, or from the service that has that name there. */
static bool is_services(const struct bridge *bridge, sd_bus_message *message) {
	const struct bus_service *service = bridge->client->bus->service;
	const char *path = sd_bus_message_get_path(message), *name;
	if (path && strncmp(path, service->path, strlen(service->path)) == 0) {
		return true;
	}
	if (sd_bus_message_is_signal(message, DRIVER_NAME, "NameOwnerChanged") <= 0) {
		return false;
	}
	bool is_own =
		sd_bus_message_read(message, "s", &name) >= 0 && strcmp(name, service->name) == 0;
	(void)sd_bus_message_rewind(message, 1);
	return is_own;
}

/* The driver of the mini bus says it itself when it answers Hello. */
static bool is_first_name(const struct bridge *bridge, sd_bus_message *message) {
	const char *name;
	if (sd_bus_message_is_signal(message, DRIVER_NAME, "NameAcquired") <= 0) {
		return false;
	}
	bool is_unique = sd_bus_message_read(message, "s", &name) >= 0 && name[0] == ':';
	(void)sd_bus_message_rewind(message, 1);
	return is_unique;
}

static int answer_hello(struct bridge *bridge) {
	AUTO_MESSAGE sd_bus_message *hello = TAKE_PTR(bridge->hello);
	return hello ? driver_welcome(&bridge->client->driver, hello) : 0;
}

static int handle_connected(struct bridge *bridge) {
	struct bus_client *client = bridge->client;
	const char *unique;
	int r = sd_bus_get_unique_name(bridge->bus, &unique);
	if (r < 0 || strlen(unique) >= sizeof(client->driver.unique)) {
		return r < 0 ? r : -ENAMETOOLONG;
	}
	strcpy(client->driver.unique, unique);
	bridge->is_connected = true;
	return answer_hello(bridge);
}

/* A bus that lets nobody in is none; one that goes takes its clients along. */
static int handle_disconnected(struct bridge *bridge) {
	struct bus_client *client = bridge->client;
	if (bridge->is_connected) {
		return -ECONNRESET;
	}
	int r = answer_hello(bridge);
	client->bridge = NULL;
	bridge_destroy(bridge);
	if (r < 0) {
		sd_bus_close(client->served.bus);
	}
	return 0;
}

static int handle_message(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct bridge *bridge = data;
	int r = 1;
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Connected") > 0) {
		r = handle_connected(bridge);
	} else if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", NULL) > 0) {
		r = handle_disconnected(bridge);
	} else if (!is_services(bridge, message) && !is_first_name(bridge, message)) {
		r = hand_on(bridge, bridge->client->served.bus, message, true);
	}
	if (r < 0) {
		/* Its own turn ends it: here it would go from under our feet. */
		sd_bus_close(bridge->client->served.bus);
	}
	return 1;
}

static int connect_with_groups(const struct ucred *peer, const char *path) {
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (setegid(peer->gid) < 0 || seteuid(peer->uid) < 0) {
		int r = -errno;
		if (setegid(gid) < 0) {
			abort(); // as below
		}
		return r;
	}
	int r = socket_connect(path);
	/* With another identity this program must not go on. */
	if (seteuid(uid) < 0 || setegid(gid) < 0) {
		abort();
	}
	return r;
}

/* The bus trusts the identity of a connection, so root must not connect as itself for others. */
static int connect_as(const struct ucred *peer, const char *path) {
	gid_t ours[MAX_GROUPS], theirs[MAX_GROUPS];
	int n_ours = getgroups(MAX_GROUPS, ours), n_theirs = MAX_GROUPS;
	const struct passwd *user = getpwuid(peer->uid);

	if (!user || getgrouplist(user->pw_name, peer->gid, theirs, &n_theirs) < 0) {
		theirs[0] = peer->gid;
		n_theirs = 1;
	}
	if (n_ours < 0 || setgroups(n_theirs, theirs) < 0) {
		return -errno;
	}
	int r = connect_with_groups(peer, path);
	if (setgroups(n_ours, ours) < 0) {
		abort();
	}
	return r;
}

static int connect_for(const struct bus_client *client, const char *address) {
	static const char prefix[] = "unix:path=";
	const struct ucred *peer = &client->driver.peer;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

	if (strncmp(address, prefix, strlen(prefix)) != 0) {
		return -EOPNOTSUPP;
	}
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(address + strlen(prefix), ",;"),
		address + strlen(prefix));
	return peer->uid == geteuid() ? socket_connect(path) : connect_as(peer, path);
}

int bridge_create(struct bridge **ret, struct bus_client *client, const char *address) {
	int fd = connect_for(client, address);
	if (fd < 0) {
		return fd;
	}
	struct bridge *bridge = calloc(1, sizeof(*bridge));
	int r = -ENOMEM;
	if (bridge) {
		r = sd_bus_new(&bridge->bus);
	}
	if (!bridge || r < 0 || (r = sd_bus_set_fd(bridge->bus, fd, fd)) < 0) {
		close(fd);
		bridge_destroy(bridge);
		return r;
	}
	bridge->client = client;
	LIST_INIT(&bridge->calls);
	if ((r = sd_bus_set_bus_client(bridge->bus, 1)) < 0 ||
		(r = sd_bus_negotiate_fds(bridge->bus, 1)) < 0 ||
		(r = sd_bus_set_connected_signal(bridge->bus, 1)) < 0 ||
		(r = sd_bus_set_close_on_exit(bridge->bus, 0)) < 0 ||
		(r = sd_bus_add_filter(bridge->bus, NULL, handle_message, bridge)) < 0 ||
		(r = sd_bus_start(bridge->bus)) < 0 ||
		(r = sd_bus_attach_event(
			 bridge->bus, client->bus->event, SD_EVENT_PRIORITY_NORMAL)) < 0) {
		bridge_destroy(bridge);
		return r;
	}
	*ret = bridge;
	return 0;
}

void bridge_destroy(struct bridge *bridge) {
	if (!bridge) {
		return;
	}
	while (!LIST_EMPTY(&bridge->calls)) {
		call_destroy(LIST_FIRST(&bridge->calls));
	}
	sd_bus_message_unref(bridge->hello);
	sd_bus_close_unref(bridge->bus);
	free(bridge);
}

int bridge_hello(struct bridge *bridge, sd_bus_message *message) {
	bridge->hello = sd_bus_message_ref(message);
	int r = bridge->is_connected ? answer_hello(bridge) : 1;
	return r < 0 ? r : 1;
}
