/*
 * Preloaded, makes any descriptor answer like a DRM lease: a connector with three modes, or with
 * one more that it prefers, by FAKE_LEASE_PREFERS=WIDTHxHEIGHT; and no lease of a lease.
 */
#undef _FORTIFY_SOURCE
#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_MODES 4

static const struct drm_mode_modeinfo listed[] = {
	{.hdisplay = 1920, .vdisplay = 1080, .clock = 148500, .htotal = 2200, .vtotal = 1125},
	{.hdisplay = 1280, .vdisplay = 720, .clock = 74176, .htotal = 1650, .vtotal = 750},
	{.hdisplay = 1280, .vdisplay = 720, .clock = 37088, .htotal = 1650, .vtotal = 750},
};

static uint32_t list_modes(struct drm_mode_modeinfo modes[MAX_MODES]) {
	const char *preferred = getenv("FAKE_LEASE_PREFERS");
	uint32_t n = 0;
	if (preferred) {
		modes[n] = (struct drm_mode_modeinfo){.type = DRM_MODE_TYPE_PREFERRED};
		n += sscanf(preferred, "%hux%hu", &modes[n].hdisplay, &modes[n].vdisplay) == 2;
	}
	memcpy(modes + n, listed, sizeof(listed));
	return n + sizeof(listed) / sizeof(listed[0]);
}

int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);

	if (request == DRM_IOCTL_MODE_CREATE_LEASE) {
		errno = EINVAL;
		return -1;
	}
	if (request == DRM_IOCTL_MODE_GETRESOURCES) {
		struct drm_mode_card_res *card = argument;
		card->min_width = card->min_height = 32;
		card->max_width = card->max_height = 8192;
		return 0;
	}
	if (request != DRM_IOCTL_MODE_GETCONNECTOR) {
		return syscall(SYS_ioctl, fd, request, argument);
	}
	struct drm_mode_get_connector *connector = argument;
	if (connector->connector_id != 40) {
		errno = ENOENT;
		return -1;
	}
	struct drm_mode_modeinfo modes[MAX_MODES];
	uint32_t count = list_modes(modes);
	if (connector->count_modes >= count) {
		memcpy((void *)(uintptr_t)connector->modes_ptr, modes, count * sizeof(*modes));
	}
	connector->count_modes = count;
	return 0;
}
