/* Hears of cards: lessees that went away, hotplug, cards that come and go. */
#ifndef SCANOUTD_MONITOR_H
#define SCANOUTD_MONITOR_H

#include <stdbool.h>

struct manager;
struct monitor;

/* From now on events are passed to reaper and inventory. */
int monitor_new(struct manager *manager, struct monitor **ret);
/* Leaves the events where they wait, or reads on. */
void monitor_pause(struct monitor *monitor, bool paused);
/* NULL is fine. */
void monitor_destroy(struct monitor *monitor);

#endif
