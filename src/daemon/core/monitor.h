/* Hears of cards: lessees that went away, hotplug, cards that come and go. */
#ifndef SCANOUTD_MONITOR_H
#define SCANOUTD_MONITOR_H

struct manager;
struct monitor;

/* From now on events are passed to reaper and inventory. */
int monitor_new(struct manager *manager, struct monitor **ret);
/* NULL is fine. */
void monitor_destroy(struct monitor *monitor);

#endif
