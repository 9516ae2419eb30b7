#include "rendernode.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <virtgpu_drm.h>

#include "cleanup.h"

static bool is_virtio(int fd) {
	char name[16] = "";
	struct drm_version version = {.name = name, .name_len = sizeof(name) - 1};
	return ioctl(fd, DRM_IOCTL_VERSION, &version) == 0 && strcmp(name, "virtio_gpu") == 0;
}

static bool has_3d(int fd) {
	int value = 0;
	struct drm_virtgpu_getparam query = {
		.param = VIRTGPU_PARAM_3D_FEATURES,
		.value = (uintptr_t)&value,
	};
	return ioctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &query) == 0 && value;
}

int rendernode_find(const char *card, char path[RENDERNODE_SIZE]) {
	char pattern[128];
	glob_t found;
	const char *name = strrchr(card, '/');
	snprintf(pattern, sizeof(pattern), "/sys/class/drm/%s/device/drm/renderD*",
		name ? name + 1 : "");
	if (glob(pattern, 0, NULL, &found) != 0) {
		return -ENOENT;
	}
	snprintf(path, RENDERNODE_SIZE, "/dev/dri/%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);

	/* One that cannot be asked is taken for a usable one. */
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 && is_virtio(fd) && !has_3d(fd) ? -ENOTSUP : 0;
}
