#include "daemon/bus/bus_agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/undertaker.h"
#include "daemon/bus/bus_manager.h"
#include "daemon/model/refusal.h"
#include "daemon/util/log.h"
#include "scanout/dbus_names.h"

/* As many as 128 fronts may have guests, and some seats. */
#define MAX_PEERS 4224
/* Of one peer in a turn: each container has peers of its own, and has its turn as others do. */
#define MAX_BURST 1

static void peer_remove(struct peer *peer) {
	bus_manager_drop_calls(peer);
	peer_note_shown(peer, -1);
	served_stop(&peer->served);
	TAILQ_REMOVE(&peer->agents->peers, peer, link);
	peer->agents->n_peers--;
}

static void peer_destroy(struct peer *peer) {
	peer_remove(peer);
	/* No flush, which would wait for who does not read, or has not even said hello. */
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

static void on_ended(struct served *served, int error) {
	struct peer *peer = (struct peer *)((char *)served - offsetof(struct peer, served));
	if (error == -ENOBUFS) {
		char who[256];
		log_warning("Agent of %s does not read its answers; its connection ends",
			identity_describe(&peer->identity, who, sizeof(who)));
	}
	peer_destroy(peer);
}

/* A guest that is not let in has no connection that could be taken for the agent's. */
static int turn_away(struct peer *peer, sd_bus_message *message, const char *why) {
	int r = sd_bus_reply_method_errorf(message, SCANOUT_ERROR_NOT_ALLOWED,
		"You cannot be identified (%s). Stay connected until the answer is there.", why);
	sd_bus_close(peer->connection);
	return r < 0 ? r : 1;
}

/* From here on the connection is the guest's: with its rights, and without an agent's. */
static int serve_guest(struct peer *peer, sd_bus_message *message) {
	struct identity identity;
	int connection, pidfd;
	int r = sd_bus_message_read(message, "hh", &connection, &pidfd);
	if (r < 0) {
		return turn_away(peer, message, strerror(-r));
	}
	if (!peer->identity.agent) {
		return turn_away(peer, message, "This connection is a guest's already");
	}
	peer_note_shown(peer, connection);
	r = identity_of_guest(connection, pidfd, &identity);
	if (r < 0) {
		return turn_away(peer, message, strerror(-r));
	}
	peer->identity = identity;
	r = sd_bus_reply_method_return(message, NULL);
	return r < 0 ? r : 1;
}

/* A filter, so that introspection, which guests see, tells nothing of it. */
static int on_message(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct peer *peer = data;
	peer_note_shown(peer, -1);
	return sd_bus_message_is_method_call(message, SCANOUT_AGENT_INTERFACE, "ServeGuest")
		       ? serve_guest(peer, message)
		       : 0;
}

static int peer_start(struct peer *peer, int peer_fd) {
	AUTO_CLOSE int fd = peer_fd;
	int r = sd_bus_new(&peer->connection);
	if (r >= 0) {
		r = sd_bus_add_filter(peer->connection, NULL, on_message, peer);
	}
	if (r >= 0) {
		r = bus_manager_register(peer);
	}
	if (r >= 0) {
		peer->served = (struct served){.bus = peer->connection, .ended = on_ended};
		r = served_start(&peer->served, &peer->agents->server, TAKE_FD(fd));
	}
	return r;
}

int bus_agents_new(struct manager *manager, struct bus_agents **ret) {
	struct bus_agents *agents = calloc(1, sizeof(*agents));
	if (!agents) {
		return -ENOMEM;
	}
	agents->manager = manager;
	TAILQ_INIT(&agents->peers);
	int r = server_init(&agents->server, manager->host.event, MAX_BURST);
	if (r >= 0) {
		r = undertaker_new(&agents->undertaker);
	}
	if (r < 0) {
		bus_agents_destroy(agents);
		return r;
	}
	*ret = agents;
	return 0;
}

int bus_agents_add(struct bus_agents *agents, int agent_fd) {
	AUTO_CLOSE int fd = agent_fd;
	struct identity identity;
	int r = identity_of_socket(fd, &identity);
	if (r < 0) {
		return r;
	}
	/* Whoever mounts that socket into a container does not make an agent of it, with a cgroup
	 * or without. */
	if (identity_in_container(&identity) || identity.apart) {
		return -EACCES;
	}
	if (agents->n_peers >= MAX_PEERS) {
		return -EUSERS;
	}
	struct peer *peer = calloc(1, sizeof(*peer));
	if (!peer) {
		return -ENOMEM;
	}
	identity.agent = true;
	*peer = (struct peer){.manager = agents->manager,
		.agents = agents,
		.identity = identity,
		.shown_fd = -1,
		.undertaker = agents->undertaker};
	TAILQ_INIT(&peer->calls);
	TAILQ_INSERT_TAIL(&agents->peers, peer, link);
	agents->n_peers++;
	r = peer_start(peer, TAKE_FD(fd));
	if (r < 0) {
		peer_abandon(peer, r);
	}
	return r;
}

void bus_agents_drop_calls(struct bus_agents *agents) {
	struct peer *peer;
	TAILQ_FOREACH (peer, &agents->peers, link) {
		bus_manager_drop_calls(peer);
	}
}

void bus_agents_destroy(struct bus_agents *agents) {
	if (!agents) {
		return;
	}
	while (!TAILQ_EMPTY(&agents->peers)) {
		peer_destroy(TAILQ_FIRST(&agents->peers));
	}
	server_finish(&agents->server);
	undertaker_destroy(agents->undertaker);
	free(agents);
}
