/*
 * QEMU's other end for one console, org.qemu.Display1.Listener: brings its pictures to a screen.
 * QEMU waits for the reply to each ScanoutMap, with the whole VM, so the thread that serves
 * listeners does nothing else.
 */
#ifndef SCANOUT_HOST_LISTENER_H
#define SCANOUT_HOST_LISTENER_H

#include <systemd/sd-bus.h>

#include "host/screen.h"

struct listener;

/*
 * Serves a connected socket on this loop. Takes fd over, always. The screen is the caller's, and
 * outlives the listener; so does `name`, which is for messages. `wants_copies`: QEMU is not told
 * that it may share its memory, so it sends pictures in messages.
 */
int listener_create(struct listener **ret, sd_event *event, int fd, const char *name,
	struct screen *screen, bool wants_copies);
/* The screen has no picture any more. NULL is fine. */
void listener_destroy(struct listener *listener);

#endif
