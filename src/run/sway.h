/*
 * Tells sway the new size of its output, over its IPC socket. wlroots reads the modes of an output
 * when that is connected and never again (0.15: drm.c, scan_drm_connectors()), so that a blink of
 * the seat shows it nothing.
 */
#ifndef SCANOUT_RUN_SWAY_H
#define SCANOUT_RUN_SWAY_H

#include <systemd/sd-event.h>

struct sway {
	char *path;             // of the socket that $SWAYSOCK tells sway to make; owned
	sd_event_source *reply; // awaited; may be NULL
};

void sway_finish(struct sway *sway);

/* What a sway that crashed has left: the next one would take another path. */
void sway_forget(const struct sway *sway);
/* Asks for a mode, in vain if sway is not there. The answer is awaited by the event loop. */
int sway_resize(
	struct sway *sway, sd_event *event, const char *output, unsigned width, unsigned height);

#endif
