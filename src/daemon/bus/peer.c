#include "daemon/bus/peer.h"

#include <fcntl.h>

#include "common/undertaker.h"
#include "daemon/bus/bus_sender.h"

bool peer_sees(const struct peer *peer, const struct scanout *scanout) {
	return !peer->agents ||
	       (scanout->lease && identity_acts_for(&peer->identity, &scanout->lease->holder));
}

int peer_identify(const struct peer *peer, sd_bus_message *message, struct identity *ret) {
	if (!peer->agents) {
		return bus_sender_identify(message, ret);
	}
	*ret = peer->identity;
	return 0;
}

void peer_note_shown(struct peer *peer, int fd) {
	if (peer->agents && (fd >= 0 || peer->shown_fd >= 0)) {
		undertaker_close(peer->undertaker, peer->shown_fd);
		peer->shown_fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	}
}
