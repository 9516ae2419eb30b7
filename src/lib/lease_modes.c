#include "lib/lease_modes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "common/cleanup.h"

static int get_connector(int fd, struct drm_mode_get_connector *connector) {
	int r;
	do {
		r = ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, connector);
	} while (r < 0 && (errno == EINTR || errno == EAGAIN));
	return r < 0 ? -errno : 0;
}

/* Room for one mode at first: with none the kernel would probe the output, which may take long. */
int lease_modes_read(
	int lease_fd, unsigned connector, struct drm_mode_modeinfo **ret, uint32_t *ret_count) {
	AUTO_FREE struct drm_mode_modeinfo *modes = NULL;
	uint32_t count = 1;
	for (;;) {
		struct drm_mode_modeinfo *larger = reallocarray(modes, count, sizeof(*modes));
		if (!larger) {
			return -ENOMEM;
		}
		modes = larger;
		struct drm_mode_get_connector query = {
			.connector_id = connector,
			.count_modes = count,
			.modes_ptr = (uintptr_t)modes,
		};
		int r = get_connector(lease_fd, &query);
		if (r < 0) {
			return r;
		}
		if (query.count_modes <= count) {
			*ret_count = query.count_modes;
			*ret = TAKE_PTR(modes);
			return 0;
		}
		count = query.count_modes;
	}
}

bool lease_modes_prefer_none(int lease_fd, unsigned connector) {
	AUTO_FREE struct drm_mode_modeinfo *modes = NULL;
	uint32_t count;
	if (lease_modes_read(lease_fd, connector, &modes, &count) < 0) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			return false;
		}
	}
	return count > 0;
}
