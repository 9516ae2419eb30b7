#include "kms.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>

#include "kms_atomic.h"

#define FALLBACK_WIDTH 1920
#define FALLBACK_HEIGHT 1080

int kms_plane_type(int fd, uint32_t plane_id) {
	drmModeObjectProperties *props;
	int r = -ENOENT;

	props = drmModeObjectGetProperties(fd, plane_id, DRM_MODE_OBJECT_PLANE);
	if (props == NULL) {
		return -errno;
	}
	for (uint32_t i = 0; i < props->count_props && r < 0; i++) {
		drmModePropertyRes *prop = drmModeGetProperty(fd, props->props[i]);

		if (prop != NULL && strcmp(prop->name, "type") == 0) {
			r = (int)props->prop_values[i];
		}
		drmModeFreeProperty(prop);
	}
	drmModeFreeObjectProperties(props);
	return r;
}

uint32_t kms_property(int fd, uint32_t object, uint32_t type, const char *name) {
	drmModeObjectProperties *props = drmModeObjectGetProperties(fd, object, type);
	uint32_t id = 0;

	for (uint32_t i = 0; props != NULL && i < props->count_props && id == 0; i++) {
		drmModePropertyRes *prop = drmModeGetProperty(fd, props->props[i]);

		if (prop != NULL && strcmp(prop->name, name) == 0) {
			id = prop->prop_id;
		}
		drmModeFreeProperty(prop);
	}
	drmModeFreeObjectProperties(props);
	return id;
}

static int find_planes(struct kms *kms, unsigned int crtc_bit) {
	drmModePlaneRes *planes = drmModeGetPlaneResources(kms->fd);

	if (planes == NULL) {
		return -errno;
	}
	for (uint32_t i = 0; i < planes->count_planes; i++) {
		drmModePlane *plane = drmModeGetPlane(kms->fd, planes->planes[i]);
		int type;

		if (plane == NULL) {
			continue;
		}
		type = kms_plane_type(kms->fd, plane->plane_id);
		if (!(plane->possible_crtcs & (1u << crtc_bit))) {
			type = -ENODEV;
		}
		if (type == DRM_PLANE_TYPE_PRIMARY && kms->primary_id == 0) {
			kms->primary_id = plane->plane_id;
		} else if (type == DRM_PLANE_TYPE_CURSOR && kms->cursor_id == 0) {
			kms->cursor_id = plane->plane_id;
		}
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(planes);
	return kms->primary_id != 0 ? 0 : -ENODEV;
}

/*
 * The bits of possible_crtcs count the CRTCs of the whole card on the master's fd but, on a lease,
 * only those it holds (drm_lease_filter_crtcs() of the kernel), which is also what
 * drmModeGetResources() lists: the position in that list is right on both.
 */
static int find_crtc(const struct kms *kms, const drmModeRes *res, const drmModeConnector *conn) {
	for (int e = 0; e < conn->count_encoders; e++) {
		drmModeEncoder *encoder = drmModeGetEncoder(kms->fd, conn->encoders[e]);
		uint32_t possible = encoder != NULL ? encoder->possible_crtcs : 0;

		drmModeFreeEncoder(encoder);
		for (int c = 0; c < res->count_crtcs; c++) {
			if (possible & (1u << c)) {
				return c;
			}
		}
	}
	return -ENODEV;
}

static void name_connector(const drmModeConnector *conn, char *name, size_t size) {
	const char *type = drmModeGetConnectorTypeName(conn->connector_type);

	snprintf(name, size, "%s-%u", type != NULL ? type : "Unknown", conn->connector_type_id);
}

/* Takes the connector with that id if it is the wished one and can be driven. */
static int take_connector(
	struct kms *kms, const drmModeRes *res, uint32_t connector_id, const char *wish) {
	drmModeConnector *conn = drmModeGetConnectorCurrent(kms->fd, connector_id);
	int crtc = -ENODEV, r;

	if (conn == NULL) {
		return -errno;
	}
	name_connector(conn, kms->connector_name, sizeof(kms->connector_name));
	if (wish == NULL || strcmp(wish, kms->connector_name) == 0) {
		crtc = find_crtc(kms, res, conn);
	}
	kms->connector_id = connector_id;
	kms->index = conn->connector_type_id - 1;
	drmModeFreeConnector(conn);
	if (crtc < 0) {
		return crtc;
	}
	r = find_planes(kms, (unsigned int)crtc);
	if (r < 0) {
		return r;
	}
	kms->crtc_id = res->crtcs[crtc];
	return 0;
}

int kms_init(struct kms *kms, int fd, const char *connector) {
	drmModeRes *res;
	int r = -ENODEV;

	*kms = (struct kms){.fd = fd};
	if (drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1) < 0) {
		return -errno;
	}
	res = drmModeGetResources(fd);
	if (res == NULL) {
		return -errno;
	}
	for (int i = 0; i < res->count_connectors && r < 0; i++) {
		r = take_connector(kms, res, res->connectors[i], connector);
	}
	drmModeFreeResources(res);
	return r;
}

static void destroy_buffer(struct kms *kms, struct kms_buffer *buffer) {
	if (buffer->pixels != NULL) {
		munmap(buffer->pixels, buffer->size);
	}
	if (buffer->fb_id != 0) {
		drmModeRmFB(kms->fd, buffer->fb_id);
	}
	if (buffer->handle != 0) {
		drmModeDestroyDumbBuffer(kms->fd, buffer->handle);
	}
	*buffer = (struct kms_buffer){0};
}

void kms_finish(struct kms *kms) {
	for (size_t i = 0; i < 2; i++) {
		destroy_buffer(kms, &kms->buffers[i]);
	}
	destroy_buffer(kms, &kms->cursor);
}

static uint32_t area(const drmModeModeInfo *mode) {
	return (uint32_t)mode->hdisplay * mode->vdisplay;
}

static bool better(const drmModeModeInfo *mode, const drmModeModeInfo *best) {
	if (best != NULL && best->type & DRM_MODE_TYPE_PREFERRED) {
		return false;
	}
	if (mode->type & DRM_MODE_TYPE_PREFERRED) {
		return true;
	}
	return mode->hdisplay <= FALLBACK_WIDTH && mode->vdisplay <= FALLBACK_HEIGHT &&
	       (best == NULL || area(mode) > area(best));
}

int kms_pick_mode(struct kms *kms, uint32_t width, uint32_t height) {
	drmModeConnector *conn = drmModeGetConnector(kms->fd, kms->connector_id);
	const drmModeModeInfo *best = NULL;

	if (conn == NULL) {
		return -errno;
	}
	for (int i = 0; i < conn->count_modes; i++) {
		const drmModeModeInfo *mode = &conn->modes[i];

		if (width != 0 || height != 0) {
			if (mode->hdisplay == width && mode->vdisplay == height) {
				best = mode;
				break;
			}
		} else if (better(mode, best)) {
			best = mode;
		}
	}
	if (best != NULL) {
		kms->mode = *best;
	}
	drmModeFreeConnector(conn);
	return best != NULL ? 0 : -ENOENT;
}

static int create_buffer(struct kms *kms, struct kms_buffer *buffer, uint32_t width,
	uint32_t height, uint32_t format) {
	uint32_t handles[4] = {0}, strides[4] = {0}, offsets[4] = {0};
	uint64_t size, offset;
	void *pixels;

	if (drmModeCreateDumbBuffer(
		    kms->fd, width, height, 32, 0, &buffer->handle, &buffer->stride, &size) < 0) {
		return -errno;
	}
	buffer->size = (size_t)size;
	handles[0] = buffer->handle;
	strides[0] = buffer->stride;
	if (drmModeAddFB2(kms->fd, width, height, format, handles, strides, offsets, &buffer->fb_id,
		    0) < 0) {
		return -errno;
	}
	if (drmModeMapDumbBuffer(kms->fd, buffer->handle, &offset) < 0) {
		return -errno;
	}
	pixels = mmap(
		NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, kms->fd, (off_t)offset);
	if (pixels == MAP_FAILED) {
		return -errno;
	}
	buffer->pixels = pixels;
	return 0;
}

int kms_create_buffers(struct kms *kms) {
	int r = 0;

	for (size_t i = 0; i < 2 && r >= 0; i++) {
		r = create_buffer(kms, &kms->buffers[i], kms->mode.hdisplay, kms->mode.vdisplay,
			DRM_FORMAT_XRGB8888);
	}
	if (r >= 0 && kms->atomic && kms->cursor_id != 0) {
		r = create_buffer(
			kms, &kms->cursor, KMS_CURSOR_SIZE, KMS_CURSOR_SIZE, DRM_FORMAT_ARGB8888);
	}
	if (r < 0) {
		kms_finish(kms);
	}
	return r;
}

void kms_fill(struct kms *kms, unsigned int buffer, uint32_t colour) {
	uint32_t *pixels = kms->buffers[buffer].pixels;
	const size_t n = kms->buffers[buffer].size / sizeof(*pixels);

	for (size_t i = 0; i < n; i++) {
		pixels[i] = colour;
	}
}

int kms_set_crtc(struct kms *kms, unsigned int buffer) {
	if (kms->atomic) {
		return kms_atomic_commit(kms, buffer, DRM_MODE_ATOMIC_ALLOW_MODESET, -1);
	}
	if (drmModeSetCrtc(kms->fd, kms->crtc_id, kms->buffers[buffer].fb_id, 0, 0,
		    &kms->connector_id, 1, &kms->mode) < 0) {
		return -errno;
	}
	return 0;
}

int kms_flip(struct kms *kms, unsigned int buffer) {
	if (kms->atomic) {
		return kms_atomic_commit(
			kms, buffer, DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT, -1);
	}
	if (drmModePageFlip(kms->fd, kms->crtc_id, kms->buffers[buffer].fb_id,
		    DRM_MODE_PAGE_FLIP_EVENT, kms) < 0) {
		return -errno;
	}
	kms->flip_pending = true;
	return 0;
}

static void handle_flip(
	int fd, unsigned int sequence, unsigned int sec, unsigned int usec, void *data) {
	struct kms *kms = data;

	kms->flip_pending = false;
	kms->flips++;
	kms->flipped_usec = (uint64_t)sec * 1000000 + usec;
}

int kms_wait_flip(struct kms *kms) {
	drmEventContext context = {.version = 2, .page_flip_handler = handle_flip};

	while (kms->flip_pending) {
		struct pollfd fd = {.fd = kms->fd, .events = POLLIN};

		if (poll(&fd, 1, -1) < 0) {
			if (errno == EINTR) {
				continue;
			}
			return -errno;
		}
		if (!(fd.revents & POLLIN)) {
			return -ENODEV;
		}
		if (drmHandleEvent(kms->fd, &context) < 0) {
			return -EIO;
		}
	}
	return 0;
}

int kms_flip_next(struct kms *kms) {
	int r = kms_flip(kms, (kms->flips + 1) % 2);

	return r < 0 ? r : kms_wait_flip(kms);
}

uint32_t kms_refresh_mhz(const struct kms *kms) {
	const uint64_t total = (uint64_t)kms->mode.htotal * kms->mode.vtotal;

	if (total == 0) {
		return kms->mode.vrefresh * 1000;
	}
	return (uint32_t)(((uint64_t)kms->mode.clock * 1000000 + total / 2) / total);
}
