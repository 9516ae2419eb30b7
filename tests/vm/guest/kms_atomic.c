#include "kms_atomic.h"

#include <errno.h>
#include <string.h>
#include <xf86drm.h>

/* include/uapi/drm/drm.h from Linux 6.8 on. */
#ifndef DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT
#define DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT 6
#endif
/* Of what the modes' sizes are in on a plane's source. */
#define FIXED(n) ((uint64_t)(n) << 16)

struct value {
	const char *name;
	uint64_t value;
};

/* Adds those of the object's properties that are named. -ENOENT if one is not there. */
static int add_all(drmModeAtomicReq *request, int fd, uint32_t object, uint32_t type,
	const struct value *values, size_t n_values) {
	drmModeObjectProperties *properties = drmModeObjectGetProperties(fd, object, type);
	size_t added = 0;

	for (uint32_t i = 0; properties != NULL && i < properties->count_props; i++) {
		drmModePropertyRes *property = drmModeGetProperty(fd, properties->props[i]);

		for (size_t v = 0; property != NULL && v < n_values; v++) {
			if (strcmp(property->name, values[v].name) == 0 &&
				drmModeAtomicAddProperty(
					request, object, property->prop_id, values[v].value) >= 0) {
				added++;
			}
		}
		drmModeFreeProperty(property);
	}
	drmModeFreeObjectProperties(properties);
	return added == n_values ? 0 : -ENOENT;
}

#define ADD(request, fd, object, type, ...)                                                       \
	add_all(request, fd, object, DRM_MODE_OBJECT_##type, (const struct value[]){__VA_ARGS__}, \
		sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value))

static int add_plane(const struct kms *kms, drmModeAtomicReq *request, uint32_t plane, uint32_t fb,
	uint64_t width, uint64_t height) {
	return ADD(request, kms->fd, plane, PLANE, {"FB_ID", fb}, {"CRTC_ID", kms->crtc_id},
		{"SRC_X", 0}, {"SRC_Y", 0}, {"SRC_W", FIXED(width)}, {"SRC_H", FIXED(height)},
		{"CRTC_X", 0}, {"CRTC_Y", 0}, {"CRTC_W", width}, {"CRTC_H", height});
}

/* Naming the connector takes the lock of all connectors. */
static int add_mode(const struct kms *kms, drmModeAtomicReq *request) {
	uint32_t blob;
	int r;

	if (drmModeCreatePropertyBlob(kms->fd, &kms->mode, sizeof(kms->mode), &blob) < 0) {
		return -errno;
	}
	r = ADD(request, kms->fd, kms->connector_id, CONNECTOR, {"CRTC_ID", kms->crtc_id});
	if (r >= 0) {
		r = ADD(request, kms->fd, kms->crtc_id, CRTC, {"MODE_ID", blob}, {"ACTIVE", 1});
	}
	if (r >= 0 && kms->cursor.fb_id != 0) {
		r = add_plane(kms, request, kms->cursor_id, kms->cursor.fb_id, KMS_CURSOR_SIZE,
			KMS_CURSOR_SIZE);
	}
	if (r >= 0 && kms->cursor.fb_id != 0 && kms->hotspot) {
		r = ADD(request, kms->fd, kms->cursor_id, PLANE, {"HOTSPOT_X", 1},
			{"HOTSPOT_Y", 1});
	}
	return r;
}

static int build(
	const struct kms *kms, drmModeAtomicReq *request, uint32_t fb, bool mode, int fence_fd) {
	int r = mode ? add_mode(kms, request) : 0;

	if (r >= 0) {
		r = mode ? add_plane(kms, request, kms->primary_id, fb, kms->mode.hdisplay,
				   kms->mode.vdisplay)
			 : drmModeAtomicAddProperty(request, kms->primary_id, kms->fb_property, fb);
	}
	if (r >= 0 && fence_fd >= 0) {
		r = ADD(request, kms->fd, kms->primary_id, PLANE,
			{"IN_FENCE_FD", (uint64_t)fence_fd});
	}
	return r;
}

int kms_atomic_commit(struct kms *kms, unsigned int buffer, uint32_t flags, int fence_fd) {
	drmModeAtomicReq *request = drmModeAtomicAlloc();
	int r = request == NULL ? -ENOMEM
				: build(kms, request, kms->buffers[buffer].fb_id,
					  flags & DRM_MODE_ATOMIC_ALLOW_MODESET, fence_fd);

	if (r >= 0 && drmModeAtomicCommit(kms->fd, request, flags, kms) < 0) {
		r = -errno;
	}
	drmModeAtomicFree(request);
	if (r >= 0 && flags & DRM_MODE_PAGE_FLIP_EVENT) {
		kms->flip_pending = true;
	}
	return r < 0 ? r : 0;
}

static bool lists_plane(int fd, uint32_t plane) {
	drmModePlaneRes *planes = drmModeGetPlaneResources(fd);
	bool found = false;

	for (uint32_t i = 0; planes != NULL && i < planes->count_planes; i++) {
		found |= planes->planes[i] == plane;
	}
	drmModeFreePlaneResources(planes);
	return found;
}

int kms_atomic_enable(struct kms *kms) {
	if (drmSetClientCap(kms->fd, DRM_CLIENT_CAP_ATOMIC, 1) < 0) {
		return -errno;
	}
	kms->hotspot = drmSetClientCap(kms->fd, DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT, 1) == 0;
	kms->fb_property = kms_property(kms->fd, kms->primary_id, DRM_MODE_OBJECT_PLANE, "FB_ID");
	if (kms->fb_property == 0 ||
		(kms->cursor_id != 0 && !lists_plane(kms->fd, kms->cursor_id))) {
		return -ENODEV;
	}
	kms->atomic = true;
	return 0;
}
