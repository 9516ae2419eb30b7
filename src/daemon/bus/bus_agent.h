/* Agents: our own programs, which ask for containers. Connections without a bus daemon. */
#ifndef SCANOUTD_BUS_AGENT_H
#define SCANOUTD_BUS_AGENT_H

#include "daemon/bus/peer.h"

struct bus_agents {
	struct manager *manager;
	struct server server;
	TAILQ_HEAD(peer_list, peer) peers; // peer.link
	unsigned n_peers;
	struct undertaker *undertaker; // of connections that agents show
};

int bus_agents_new(struct manager *manager, struct bus_agents **ret);
/* Takes over the fd of an accepted connection. Returns 0 or a negative errno. */
int bus_agents_add(struct bus_agents *agents, int fd);
/* scanoutd stops. Their requests stay unanswered: agents make them again to the next one. */
void bus_agents_drop_calls(struct bus_agents *agents);
/* Ends their connections. NULL is fine. */
void bus_agents_destroy(struct bus_agents *agents);

#endif
