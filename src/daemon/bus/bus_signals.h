/* What the manager tells, as signals to the system bus and to agents. */
#ifndef SCANOUTD_BUS_SIGNALS_H
#define SCANOUTD_BUS_SIGNALS_H

#include "daemon/bus/bus.h"
#include "daemon/bus/bus_agent.h"

struct bus_signals;

/* Observes the manager from now on; takes the bus name when that is prepared. */
int bus_signals_new(struct bus *bus, struct bus_agents *agents, struct bus_signals **ret);
/* Before both of them. NULL is fine. */
void bus_signals_destroy(struct bus_signals *signals);

#endif
