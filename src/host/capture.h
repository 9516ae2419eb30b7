/* The thread that serves listeners, and does nothing else. */
#ifndef SCANOUT_HOST_CAPTURE_H
#define SCANOUT_HOST_CAPTURE_H

#include "host/listener.h"

struct capture;

int capture_start(struct capture **ret);
/* All listeners are removed before. NULL is fine. */
void capture_stop(struct capture *capture);

/* As listener_create() and listener_destroy(), in that thread; for one caller at a time. */
int capture_add(struct capture *capture, struct listener **ret, int fd, const char *name,
	struct screen *screen, bool wants_copies);
void capture_remove(struct capture *capture, struct listener *listener);

#endif
