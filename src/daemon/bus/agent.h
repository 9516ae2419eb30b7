/* The agents' socket: our own programs connect to it, which containers cannot reach. */
#ifndef SCANOUTD_AGENT_H
#define SCANOUTD_AGENT_H

#include <systemd/sd-event.h>

struct agent;
struct bus_agents;
struct passed;

/*
 * Listens on the sockets that systemd passed (scanoutd-agent.socket), and on `path` if it is not
 * NULL; a directory of its own is made for that.
 * Returns 0 or a negative errno (logged).
 */
int agent_listen(sd_event *event, struct bus_agents *agents, struct passed *passed,
	const char *path, struct agent **ret);

/* NULL is fine. */
void agent_destroy(struct agent *agent);

#endif
