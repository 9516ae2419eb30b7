/* The kernel's uevents about DRM cards. */
#ifndef SCANOUTD_UEVENT_H
#define SCANOUTD_UEVENT_H

#include "daemon/kms/kms.h"

/*
 * Opens a socket that hears the kernel itself. Not udevd's (sd_device_monitor): a lease's end
 * must be seen also where no udevd runs, and without waiting for its rules.
 * Returns the fd, which the caller owns, or a negative errno.
 */
int uevent_open(void);

/* Reads the next event about a card: 1, 0 if there is none now, or a negative errno; -ENOBUFS
 * means that events were lost. */
int uevent_read(int fd, struct card_event *ret);

/* Parses one datagram of `size` bytes. Returns whether it is about a DRM card. Pure. */
bool uevent_parse(const char *datagram, size_t size, struct card_event *ret);

#endif
