/* A connection that speaks the contract: the system bus, or one of an agent. */
#ifndef SCANOUTD_PEER_H
#define SCANOUTD_PEER_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

#include "common/server.h"
#include "daemon/core/manager.h"
#include "daemon/model/identity.h"

struct call;
struct undertaker;

struct peer {
	struct manager *manager;
	sd_bus *connection;
	TAILQ_HEAD(call_list, call) calls; // of RequestScanout that have no answer yet
	struct bus_agents *agents;         // that it is one of; NULL: the system bus
	struct identity identity;          // of the agent, or of the guest that it serves here
	struct served served;
	int shown_fd; // of the connection in the latest message; -1: none
	struct undertaker *undertaker;
	TAILQ_ENTRY(peer) link; // bus_agents::peers
};

/* Whether this peer may know of the scanout: all but the system bus see their own alone. */
bool peer_sees(const struct peer *peer, const struct scanout *scanout);
/* Who sent the message. 0 or a negative errno. */
int peer_identify(const struct peer *peer, sd_bus_message *message, struct identity *ret);
/*
 * A message shows this connection of a container; -1: none does any more. Keeps a copy, so that the
 * end of the message is not the last close, which the container can make wait.
 */
void peer_note_shown(struct peer *peer, int fd);

#endif
