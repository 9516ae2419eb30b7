/* The modes of a leased output, as the kernel lists them. */
#ifndef SCANOUT_LIB_LEASE_MODES_H
#define SCANOUT_LIB_LEASE_MODES_H

#include <drm.h>
#include <drm_mode.h>
#include <stdbool.h>
#include <stdint.h>

/* The caller frees *ret. Returns negative errno if the modes cannot be read. */
int lease_modes_read(
	int lease_fd, unsigned connector, struct drm_mode_modeinfo **ret, uint32_t *ret_count);

/* Whether the output prefers none of its modes: the host has not sized it. */
bool lease_modes_prefer_none(int lease_fd, unsigned connector);

#endif
