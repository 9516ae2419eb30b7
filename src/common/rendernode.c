#include "common/rendernode.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <virtgpu_drm.h>

#include "common/cleanup.h"

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

static const char *base_name(const char *card) {
	const char *slash = strrchr(card, '/');
	return slash ? slash + 1 : "";
}

int rendernode_find(const char *card, char path[RENDERNODE_SIZE]) {
	char pattern[128];
	glob_t found;
	snprintf(
		pattern, sizeof(pattern), "/sys/class/drm/%s/device/drm/renderD*", base_name(card));
	if (glob(pattern, 0, NULL, &found) != 0) {
		return -ENOENT;
	}
	snprintf(path, RENDERNODE_SIZE, "/dev/dri/%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	return 0;
}

int rendernode_renders(const char *path) {
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	return !is_virtio(fd) || has_3d(fd);
}

/* The features of a virtio device, in the order of their bits: VIRTIO_GPU_F_VIRGL is the first. */
bool rendernode_may_render(const char *card) {
	char pattern[128];
	glob_t found;
	snprintf(pattern, sizeof(pattern), "/sys/class/drm/%s/device/virtio*/features",
		base_name(card));
	if (glob(pattern, 0, NULL, &found) != 0) {
		return true;
	}
	AUTO_FCLOSE FILE *f = fopen(found.gl_pathv[0], "re");
	globfree(&found);
	return !f || fgetc(f) != '0';
}
