#include "fake_libdrm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "support.h"

#define ENCODER 30u
#define TYPE_PROPERTY 7u
#define OUT_FENCE_PROPERTY 8u
#define FRAMEBUFFER 50u

struct fake_drm fake_drm;

/* Whether the call that begins here fails. */
static bool fails(const char *function) {
	if (++fake_drm.n_calls != fake_drm.fail_at) {
		return false;
	}
	fake_drm.failed = function;
	errno = fake_drm.error;
	return true;
}

static void *numbers(size_t n, uint32_t first) {
	uint32_t *list = calloc(n, sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		list[i] = first + (uint32_t)i;
	}
	return list;
}

/* libdrm frees with free(), so its own drmModeFree…() work on what is made here. */
#define NEW(type, ...)                                 \
	({                                             \
		type *new_ = calloc(1, sizeof(*new_)); \
		*new_ = (type){__VA_ARGS__};           \
		new_;                                  \
	})

#define WRAP(result, name, ...)            \
	result __wrap_##name(__VA_ARGS__); \
	result __wrap_##name(__VA_ARGS__)

WRAP(drmModeResPtr, drmModeGetResources, int fd) {
	return fails("drmModeGetResources")
		       ? NULL
		       : NEW(drmModeRes, .count_connectors = 2,
				 .connectors = numbers(2, FAKE_CONNECTOR), .count_crtcs = 2,
				 .crtcs = numbers(2, FAKE_CRTC));
}

WRAP(drmModePlaneResPtr, drmModeGetPlaneResources, int fd) {
	return fails("drmModeGetPlaneResources")
		       ? NULL
		       : NEW(drmModePlaneRes, .count_planes = 2, .planes = numbers(2, FAKE_PLANE));
}

WRAP(drmModeConnectorPtr, drmModeGetConnector, int fd, uint32_t id) {
	if (fails("drmModeGetConnector")) {
		return NULL;
	}
	drmModeModeInfo *mode = NEW(drmModeModeInfo, .hdisplay = 640, .vdisplay = 480);
	return NEW(drmModeConnector, .connector_id = id,
		.connector_type_id = id - FAKE_CONNECTOR + 1,
		.connector_type = DRM_MODE_CONNECTOR_VIRTUAL, .connection = DRM_MODE_CONNECTED,
		.count_encoders = 1, .encoders = numbers(1, ENCODER + id - FAKE_CONNECTOR),
		.count_modes = 1, .modes = mode);
}

WRAP(drmModeEncoderPtr, drmModeGetEncoder, int fd, uint32_t id) {
	return fails("drmModeGetEncoder") ? NULL
					  : NEW(drmModeEncoder, .encoder_id = id,
						    .possible_crtcs = 1u << (id - ENCODER));
}

WRAP(drmModePlanePtr, drmModeGetPlane, int fd, uint32_t id) {
	return fails("drmModeGetPlane") ? NULL
					: NEW(drmModePlane, .plane_id = id,
						  .possible_crtcs = 1u << (id - FAKE_PLANE),
						  .fb_id = fake_drm.plane_shown ? FRAMEBUFFER : 0);
}

WRAP(drmModeObjectPropertiesPtr, drmModeObjectGetProperties, int fd, uint32_t id, uint32_t type) {
	if (fails("drmModeObjectGetProperties")) {
		return NULL;
	}
	uint64_t *values = NEW(uint64_t, DRM_PLANE_TYPE_PRIMARY);
	return NEW(drmModeObjectProperties, .count_props = 1, .props = numbers(1, TYPE_PROPERTY),
		.prop_values = values);
}

WRAP(drmModePropertyPtr, drmModeGetProperty, int fd, uint32_t id) {
	drmModePropertyRes *property = fails("drmModeGetProperty") ? NULL : NEW(drmModePropertyRes);
	if (property) {
		property->prop_id = id;
		strcpy(property->name, id == OUT_FENCE_PROPERTY ? "OUT_FENCE_PTR" : "type");
	}
	return property;
}

WRAP(int, drmModeObjectSetProperty, int fd, uint32_t id, uint32_t type, uint32_t property,
	uint64_t value) {
	assert_int_equal(id, FAKE_CRTC);
	assert_int_equal(type, DRM_MODE_OBJECT_CRTC);
	assert_int_equal(property, OUT_FENCE_PROPERTY);
	assert_int_equal(value, 0);
	fake_drm.awaited++;
	return fails("drmModeObjectSetProperty") ? -1 : 0;
}

WRAP(drmModeCrtcPtr, drmModeGetCrtc, int fd, uint32_t id) {
	if (fails("drmModeGetCrtc")) {
		return NULL;
	}
	return NEW(drmModeCrtc, .crtc_id = id, .buffer_id = fake_drm.crtc_shown ? FRAMEBUFFER : 0,
		.mode_valid = fake_drm.crtc_shown, .mode = {.hdisplay = 640, .vdisplay = 480});
}

WRAP(drmModeFB2Ptr, drmModeGetFB2, int fd, uint32_t id) {
	return fails("drmModeGetFB2")
		       ? NULL
		       : NEW(drmModeFB2, .fb_id = id, .width = 640, .height = 480, .handles = {3});
}

WRAP(int, drmModeAddFB2WithModifiers, int fd, uint32_t width, uint32_t height, uint32_t format,
	const uint32_t handles[4], const uint32_t pitches[4], const uint32_t offsets[4],
	const uint64_t modifiers[4], uint32_t *ret, uint32_t flags) {
	*ret = FAKE_ADOPTED;
	return fails("drmModeAddFB2WithModifiers") ? -1 : 0;
}

WRAP(int, drmModeSetCrtc, int fd, uint32_t crtc, uint32_t framebuffer, uint32_t x, uint32_t y,
	uint32_t *connectors, int n, drmModeModeInfoPtr mode) {
	fake_drm.hasty |= fake_drm.awaited < 2;
	if (fails("drmModeSetCrtc")) {
		return -1;
	}
	fake_drm.plane_shown &= fake_drm.plane_stays;
	fake_drm.crtc_shown &= fake_drm.crtc_stays;
	return 0;
}

WRAP(int, drmModeSetPlane, int fd, uint32_t plane, uint32_t crtc, uint32_t framebuffer,
	uint32_t flags, int32_t x, int32_t y, uint32_t w, uint32_t h, uint32_t src_x,
	uint32_t src_y, uint32_t src_w, uint32_t src_h) {
	fake_drm.hasty |= fake_drm.awaited < 2;
	return fails("drmModeSetPlane") ? -1 : 0;
}

WRAP(int, drmModeRmFB, int fd, uint32_t framebuffer) {
	return fails("drmModeRmFB") ? -1 : 0;
}

WRAP(int, drmCloseBufferHandle, int fd, uint32_t handle) {
	return fails("drmCloseBufferHandle") ? -1 : 0;
}

WRAP(int, drmIsMaster, int fd) {
	return false;
}

WRAP(int, drmSetMaster, int fd) {
	return fails("drmSetMaster") ? -1 : 0;
}

WRAP(int, drmSetClientCap, int fd, uint64_t capability, uint64_t value) {
	assert_int_equal(capability, DRM_CLIENT_CAP_UNIVERSAL_PLANES);
	return fails("drmSetClientCap") ? -1 : 0;
}

/* These two return the errno, as libdrm's do. */
WRAP(int, drmModeCreateLease, int fd, const uint32_t *objects, int n, int flags, uint32_t *ret) {
	assert_int_equal(flags, O_CLOEXEC | O_NONBLOCK);
	*ret = 1;
	return fails("drmModeCreateLease") ? -fake_drm.error : dup(fd);
}

WRAP(int, drmModeRevokeLease, int fd, uint32_t lessee) {
	return fails("drmModeRevokeLease") ? -fake_drm.error : 0;
}

WRAP(drmModeLesseeListPtr, drmModeListLessees, int fd) {
	drmModeLesseeListRes *list = NULL;
	if (!fails("drmModeListLessees")) {
		list = calloc(1, sizeof(*list) + sizeof(uint32_t));
		list->count = 1;
		list->lessees[0] = 5;
	}
	return list;
}
