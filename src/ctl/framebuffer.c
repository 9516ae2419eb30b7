#include "ctl/framebuffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <virtgpu_drm.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"

/* Between two ioctls another picture may be flipped to, and the one before destroyed. */
#define MAX_TRIES 100

static void cleanup_resources(drmModeRes **resources) {
	drmModeFreeResources(*resources);
}

static void cleanup_fb(drmModeFB2 **fb) {
	drmModeFreeFB2(*fb);
}

/* Who opens a card that has no master becomes it (drm_auth.c), which is not ours to be. */
static int open_card(const char *device) {
	int fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	if (drmIsMaster(fd)) {
		(void)drmDropMaster(fd);
	}
	return fd;
}

static bool has_name(const drmModeConnector *connector, const char *name) {
	char text[64];
	const char *type = drmModeGetConnectorTypeName(connector->connector_type);
	snprintf(
		text, sizeof(text), "%s-%u", type ? type : "Unknown", connector->connector_type_id);
	return strcmp(text, name) == 0;
}

/* The encoder that drives the connector, 0 if none does. As the kernel has it: nothing is probed.
 */
static int find_encoder(int fd, const char *name, uint32_t *ret) {
	CLEANUP(cleanup_resources) drmModeRes *resources = drmModeGetResources(fd);
	if (!resources) {
		return -errno;
	}
	for (int i = 0; i < resources->count_connectors; i++) {
		drmModeConnector *connector =
			drmModeGetConnectorCurrent(fd, resources->connectors[i]);
		bool found = connector && has_name(connector, name);
		if (found) {
			*ret = connector->encoder_id;
		}
		drmModeFreeConnector(connector);
		if (found) {
			return 0;
		}
	}
	return -ENXIO;
}

static uint32_t find_crtc(int fd, uint32_t encoder_id) {
	drmModeEncoder *encoder = encoder_id ? drmModeGetEncoder(fd, encoder_id) : NULL;
	uint32_t crtc_id = encoder ? encoder->crtc_id : 0;
	drmModeFreeEncoder(encoder);
	return crtc_id;
}

static uint32_t find_fb(int fd, uint32_t crtc_id) {
	drmModeCrtc *crtc = crtc_id ? drmModeGetCrtc(fd, crtc_id) : NULL;
	uint32_t fb_id = crtc && crtc->mode_valid ? crtc->buffer_id : 0;
	drmModeFreeCrtc(crtc);
	return fb_id;
}

/* Planes may share a handle, which is closed once. */
static void close_handles(int fd, const drmModeFB2 *fb) {
	for (int i = 0; i < 4; i++) {
		bool is_first = fb->handles[i] != 0;
		for (int j = 0; j < i; j++) {
			is_first = is_first && fb->handles[j] != fb->handles[i];
		}
		if (is_first) {
			drmCloseBufferHandle(fd, fb->handles[i]);
		}
	}
}

/* The handle lives only as long as the question. */
static int read_resource(int fd, uint32_t handle, struct framebuffer *ret) {
	struct drm_virtgpu_resource_info info = {.bo_handle = handle};
	/* Without CAP_SYS_ADMIN the kernel gives no handle, and no error (drm_framebuffer.c). */
	if (handle == 0) {
		return -EACCES;
	}
	if (drmIoctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info) < 0) {
		return errno == EINVAL ? -ENOTTY : -errno;
	}
	ret->resource = info.res_handle;
	ret->size = info.size;
	return 0;
}

static int read_fb(int fd, uint32_t id, struct framebuffer *ret) {
	CLEANUP(cleanup_fb) drmModeFB2 *fb = drmModeGetFB2(fd, id);
	if (!fb) {
		return errno == ENOENT ? -EAGAIN : -errno;
	}
	*ret = (struct framebuffer){
		.id = fb->fb_id,
		.width = fb->width,
		.height = fb->height,
		.stride = fb->pitches[0],
	};
	memcpy(ret->format, &fb->pixel_format, sizeof(fb->pixel_format));
	int r = read_resource(fd, fb->handles[0], ret);
	close_handles(fd, fb);
	return r;
}

int framebuffer_read(const char *device, const char *connector, struct framebuffer *ret) {
	uint32_t encoder_id = 0;
	AUTO_CLOSE int fd = open_card(device);
	if (fd < 0) {
		return fd;
	}
	int r = find_encoder(fd, connector, &encoder_id);
	if (r < 0) {
		return r;
	}
	uint32_t crtc_id = find_crtc(fd, encoder_id);
	r = -EAGAIN;
	for (int i = 0; i < MAX_TRIES && r == -EAGAIN; i++) {
		uint32_t id = find_fb(fd, crtc_id);
		r = id ? read_fb(fd, id, ret) : -ENODATA;
	}
	return r;
}
