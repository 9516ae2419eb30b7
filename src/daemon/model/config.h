/* What scanoutd.conf says. */
#ifndef SCANOUTD_CONFIG_H
#define SCANOUTD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/kms/seat.h"

struct config {
	/* [Card] */
	char **devices; // paths, see string_list.h; NULL = auto: every virtio-gpu that has outputs
	enum seat_mode seat;
	bool force_connect;
	bool release_on_stop;
	/* [Scanouts] */
	char **exclude;                         // scanout ids; may be NULL
	unsigned default_width, default_height; // of outputs that the host has not sized
	/* [Agent] */
	char *agent_socket; // a path, or NULL: only what systemd passes
	/* [Policy] */
	char *admin_group; // may be NULL: uid 0 alone is admin
	gid_t admin_gid;   // of admin_group, resolved when the file was read
	unsigned max_per_holder;
	uint64_t max_linger_usec;
};

void config_finish(struct config *config);

#endif
