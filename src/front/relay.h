/* Messages of one connection, made anew for another. */
#ifndef SCANOUT_FRONT_RELAY_H
#define SCANOUT_FRONT_RELAY_H

#include <systemd/sd-bus.h>

/* The same call for scanoutd. -EPERM: it has fds, which scanoutd takes from no container.
 * -EMSGSIZE: it is larger than any call that has a meaning. */
int relay_new_call(sd_bus *to, sd_bus_message *call, sd_bus_message **ret);
/* Answers a guest's call with scanoutd's reply. */
int relay_reply(sd_bus_message *call, sd_bus_message *reply);
int relay_signal(sd_bus *to, sd_bus_message *signal);

#endif
