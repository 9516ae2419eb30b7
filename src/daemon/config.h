/* scanoutd.conf and its drop-ins. The format is documented in scanoutd.conf(5). */
#ifndef SCANOUTD_CONFIG_H
#define SCANOUTD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum config_seat {
	CONFIG_SEAT_AUTO,
	CONFIG_SEAT_LIBSEAT,
	CONFIG_SEAT_NONE,
};

struct config {
	/* [Card] */
	char **devices; // paths, see string_list.h; NULL = auto: every KMS card that has outputs
	enum config_seat seat;
	bool force_connect;
	bool release_on_stop;
	/* [Scanouts] */
	char **exclude; // scanout ids; may be NULL
	/* [Guest] */
	char *guest_socket; // a path, or NULL: only what systemd passes
	/* [Policy] */
	char *admin_group; // may be NULL: uid 0 alone is admin
	gid_t admin_gid;   // of admin_group, resolved when the file was read
	unsigned max_per_holder;
	uint64_t max_linger_usec;
};

/*
 * Reads `path` and then `path`.d/NAME.conf in the order of their names; a later file overrides.
 * A file that does not exist is an empty one; anything else that is wrong is an error: the
 * first one is described in `error` as "FILE:LINE: what is wrong, what is allowed".
 * Returns 0, -EINVAL or another negative errno. On failure `ret` is untouched.
 */
int config_load(const char *path, struct config *ret, char *error, size_t error_size);

void config_finish(struct config *config);

#endif
