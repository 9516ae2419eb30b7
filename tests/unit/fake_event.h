/* What the fake kernel tells: uevents, in order, each kind once until it is read. */
#ifndef TESTS_FAKE_EVENT_H
#define TESTS_FAKE_EVENT_H

#include <stdbool.h>

#include "daemon/model/card.h"

/* Tells the daemon's monitor. */
void fake_send(enum card_event_type type, const char *device);
/* The next read says ENOBUFS: the events sent before are lost. */
void fake_lose_events(void);
/* From now on ended leases send no event. */
void fake_set_quiet(bool quiet);

/* A record in the kernel's log. */
void fake_log(const char *record);

/* For the fake's own files. */
void fake_events_init(void);
void fake_events_finish(void);
/* struct card_ops */
int fake_monitor(void);
int fake_open_log(void);
int fake_read_event(int fd, struct card_event *ret);
/* With the lock held. */
void fake_push_event(enum card_event_type type, const char *device);
/* The monitor wakes up when the holder of the other end hangs up. */
void fake_watch_lessee(int peer);
void fake_lessee_ended(const char *device);

#endif
