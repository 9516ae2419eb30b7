/* What leases.json has of a lease, and of a card. */
#ifndef SCANOUTD_STATE_RECORD_H
#define SCANOUTD_STATE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/kms/kms.h"
#include "daemon/model/identity.h"
#include "daemon/model/scanout.h"
#include "daemon/util/fdstore.h"

/* One lease, as the file has it, or a picture that lingers after one. */
struct state_lease {
	uint32_t lessee;
	uint64_t generation, since;
	struct card_objects objects;
	struct card_mode shown; // not of the file: what its CRTC shows now
	struct identity holder;
	char label[SCANOUT_LABEL_MAX + 1];
	uint64_t linger_usec;  // 0: the last picture goes with the lease
	uint64_t until;        // CLOCK_MONOTONIC; 0: a lease
	uint32_t framebuffer;  // of the picture that lingers
	int copy_fd, asker_fd; // from systemd's store, see linger.h; -1 without
};

struct state_card {
	char store_name[FDSTORE_NAME_MAX]; // of the very open file that the leases belong to
	struct state_lease leases[CARD_MAX_OBJECTS];
	size_t n_leases;
};

struct state_table {
	uint64_t last_generation;
	struct state_card *cards;
	size_t n_cards;
};

/* Closes its fds. */
void state_lease_finish(struct state_lease *lease);

#endif
