/*
 * Preloaded, makes any descriptor answer like a DRM lease: a connector with three modes, and no
 * lease of a lease.
 */
#undef _FORTIFY_SOURCE
#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct drm_mode_modeinfo modes[] = {
	{.hdisplay = 1920, .vdisplay = 1080, .clock = 148500, .htotal = 2200, .vtotal = 1125},
	{.hdisplay = 1280, .vdisplay = 720, .clock = 74176, .htotal = 1650, .vtotal = 750},
	{.hdisplay = 1280, .vdisplay = 720, .clock = 37088, .htotal = 1650, .vtotal = 750},
};

int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);

	if (request == DRM_IOCTL_MODE_CREATE_LEASE) {
		errno = EINVAL;
		return -1;
	}
	if (request != DRM_IOCTL_MODE_GETCONNECTOR) {
		return syscall(SYS_ioctl, fd, request, argument);
	}
	struct drm_mode_get_connector *connector = argument;
	if (connector->connector_id != 40) {
		errno = ENOENT;
		return -1;
	}
	uint32_t count = sizeof(modes) / sizeof(modes[0]);
	if (connector->count_modes >= count) {
		memcpy((void *)(uintptr_t)connector->modes_ptr, modes, sizeof(modes));
	}
	connector->count_modes = count;
	return 0;
}
