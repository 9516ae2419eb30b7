/*
 * The processes that connected of late. While one lives, its next connection is known by its pid: a
 * crowd must not be slower to let in than to make.
 */
#ifndef SCANOUT_DOOR_CALLERS_H
#define SCANOUT_DOOR_CALLERS_H

#include <sys/socket.h>

#include "common/container.h"

#define MAX_CALLERS 32

struct caller {
	struct ucred peer;
	struct container container;
	int pidfd; // -1: nobody yet
};

struct callers {
	struct caller all[MAX_CALLERS];
	unsigned next; // to be forgotten
};

void callers_init(struct callers *callers);
/* Who has made this connection; valid until the next call. Returns 0, or a negative errno as of
 * container_of_peer(). */
int callers_identify(struct callers *callers, int connection, const struct caller **ret);
void callers_finish(struct callers *callers);

#endif
