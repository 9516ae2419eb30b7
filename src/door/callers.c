#include "door/callers.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "common/cleanup.h"

void callers_init(struct callers *callers) {
	callers->next = 0;
	for (unsigned i = 0; i < MAX_CALLERS; i++) {
		callers->all[i].pidfd = -1;
	}
}

static bool is_alive(const struct caller *caller) {
	struct pollfd dead = {.fd = caller->pidfd, .events = POLLIN};
	return poll(&dead, 1, 0) == 0;
}

static const struct caller *find(const struct callers *callers, const struct ucred *peer) {
	for (unsigned i = 0; i < MAX_CALLERS; i++) {
		const struct caller *caller = &callers->all[i];
		if (caller->pidfd >= 0 && caller->peer.pid == peer->pid &&
			caller->peer.uid == peer->uid && is_alive(caller)) {
			return caller;
		}
	}
	return NULL;
}

int callers_identify(struct callers *callers, int connection, const struct caller **ret) {
	struct caller caller;
	socklen_t size = sizeof(caller.peer);
	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &caller.peer, &size) < 0) {
		return -errno;
	}
	*ret = find(callers, &caller.peer);
	if (*ret) {
		return 0;
	}
	AUTO_CLOSE int pidfd = container_peer_pidfd(connection);
	int r = pidfd < 0 ? pidfd
			  : container_of_peer(connection, pidfd, &caller.peer, &caller.container);
	if (r < 0) {
		return r;
	}
	struct caller *place = &callers->all[callers->next];
	callers->next = (callers->next + 1) % MAX_CALLERS;
	cleanup_close(&place->pidfd);
	caller.pidfd = TAKE_FD(pidfd);
	*place = caller;
	*ret = place;
	return 0;
}

void callers_finish(struct callers *callers) {
	for (unsigned i = 0; i < MAX_CALLERS; i++) {
		cleanup_close(&callers->all[i].pidfd);
	}
}
