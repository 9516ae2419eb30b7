/*
 * Notifies sway of the new size of its output, over its IPC socket. wlroots reads the modes of an
 * output only when that is connected (0.15: drm.c, scan_drm_connectors()), so a blink of the seat
 * has no effect.
 */
#ifndef SCANOUT_RUN_SWAY_H
#define SCANOUT_RUN_SWAY_H

#include <systemd/sd-event.h>

struct sway {
	char *path;             // of the socket that sway makes, as $SWAYSOCK; owned
	sd_event_source *reply; // of sway; NULL: no request is pending
};

void sway_finish(struct sway *sway);

/* Removes the socket of a sway that crashed: the next sway would use another path. */
void sway_forget(const struct sway *sway);
/* Requests a mode; negative errno if sway is not running. The event loop handles the reply. */
int sway_resize(
	struct sway *sway, sd_event *event, const char *output, unsigned width, unsigned height);

#endif
