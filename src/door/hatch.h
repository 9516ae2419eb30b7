/* Where an instance gets its connections from: the other end of the door. */
#ifndef SCANOUT_DOOR_HATCH_H
#define SCANOUT_DOOR_HATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct hatch {
	sd_event_source *source; // owns the socket to the door; NULL: no more connections come
	uint32_t n_received;
	bool is_untold; // set when it could not be told that there is no client; cleared by one
	/* Takes over a connection, and a pidfd of the process that made it. */
	void (*received)(void *data, int client, int pidfd);
	/* No more will come: the instance ends when those that are here are gone. */
	void (*closed)(void *data);
	void *data;
};

/* Takes fd over. The caller sets the callbacks first, and calls hatch_close() in any case. */
int hatch_open(struct hatch *hatch, sd_event *event, int fd);
/* There is no client. An instance does not end by itself: a connection may be on its way. */
void hatch_tell_idle(struct hatch *hatch);
void hatch_close(struct hatch *hatch);

#endif
