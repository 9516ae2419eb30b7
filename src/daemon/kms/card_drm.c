/* struct card_ops on libdrm, sysfs and the kernel's uevents. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "common/kernellog.h"
#include "daemon/kms/card_holder.h"
#include "daemon/kms/card_node.h"
#include "daemon/kms/kms.h"
#include "daemon/kms/mode_list.h"
#include "daemon/kms/uevent.h"

static void cleanup_resources(drmModeRes **p) {
	drmModeFreeResources(*p);
}
static void cleanup_plane_resources(drmModePlaneRes **p) {
	drmModeFreePlaneResources(*p);
}
static void cleanup_connector(drmModeConnector **p) {
	drmModeFreeConnector(*p);
}
static void cleanup_encoder(drmModeEncoder **p) {
	drmModeFreeEncoder(*p);
}
static void cleanup_plane(drmModePlane **p) {
	drmModeFreePlane(*p);
}
static void cleanup_crtc(drmModeCrtc **p) {
	drmModeFreeCrtc(*p);
}
static void cleanup_properties(drmModeObjectProperties **p) {
	drmModeFreeObjectProperties(*p);
}

/* What libdrm says about its last call that failed. NULL without an errno is no success either. */
static int failure(void) {
	return errno > 0 ? -errno : -EIO;
}

static int drm_open(const char *device, int opened) {
	AUTO_CLOSE int own = -1;
	int fd = opened;
	if (fd < 0) {
		/* A lease inherits O_NONBLOCK from the owner's open file, not from the flags of
		 * CREATE_LEASE (drm_lease.c: file_clone_open). Compositors expect it. */
		own = fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	if (fd < 0) {
		return -errno;
	}
	CLEANUP(cleanup_resources) drmModeRes *resources = drmModeGetResources(fd);
	/* A driver without KMS says EOPNOTSUPP, before Linux 4.20 EINVAL (drm_mode_getresources).
	 * Anything else may pass, and costs the leases of a card that is taken for none. */
	if (!resources && errno != EOPNOTSUPP && errno != EINVAL && errno != ENOTTY) {
		return failure();
	}
	if (!resources || resources->count_connectors == 0 || resources->count_crtcs == 0) {
		return -ENXIO;
	}
	/* Whoever opens the node while nobody is master becomes master (drm_master_open). */
	if (!drmIsMaster(fd) && drmSetMaster(fd) < 0) {
		return errno == EACCES ? -EBUSY : failure();
	}
	/* Before anything else: without it the kernel adds planes to a lease by itself, and
	 * passing them again is ENOSPC. Not ATOMIC: from Linux 6.8 on that hides virtio-gpu's
	 * cursor planes from a file that has not set CURSOR_PLANE_HOTSPOT too, so that no lease
	 * would have one. What a lessee sets is its own: it may be atomic all the same. */
	if (drmSetClientCap(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1) < 0) {
		return failure();
	}
	own = -1;
	return fd;
}

static uint32_t crtc_bit(const drmModeRes *resources, uint32_t crtc) {
	for (int i = 0; i < resources->count_crtcs && i < CARD_MAX_OBJECTS; i++) {
		if (resources->crtcs[i] == crtc) {
			return UINT32_C(1) << i;
		}
	}
	return 0;
}

static int read_connector(int fd, const drmModeRes *resources, const drmModeConnector *c,
	const struct card_mode *usual, struct card_connector *ret) {
	const char *type = drmModeGetConnectorTypeName(c->connector_type);
	*ret = (struct card_connector){
		.id = c->connector_id,
		.connected = c->connection == DRM_MODE_CONNECTED,
		.preferred = mode_list_preferred(c->modes, c->count_modes),
		.usual = mode_list_usual(c->modes, c->count_modes, usual),
	};
	snprintf(ret->name, sizeof(ret->name), "%s-%" PRIu32, type ? type : "Unknown",
		c->connector_type_id);
	for (int i = 0; i < c->count_encoders; i++) {
		CLEANUP(cleanup_encoder)
		drmModeEncoder *encoder = drmModeGetEncoder(fd, c->encoders[i]);
		if (!encoder) {
			return failure();
		}
		ret->possible_crtcs |= encoder->possible_crtcs;
		if (encoder->encoder_id == c->encoder_id) {
			ret->current_crtc =
				crtc_bit(resources, encoder->crtc_id) ? encoder->crtc_id : 0;
		}
	}
	return 0;
}

static int read_plane(int fd, uint32_t id, struct card_plane *ret) {
	CLEANUP(cleanup_plane) drmModePlane *plane = drmModeGetPlane(fd, id);
	CLEANUP(cleanup_properties)
	drmModeObjectProperties *properties =
		plane ? drmModeObjectGetProperties(fd, id, DRM_MODE_OBJECT_PLANE) : NULL;
	if (!properties) {
		return failure();
	}
	*ret = (struct card_plane){.id = id, .possible_crtcs = plane->possible_crtcs};
	for (uint32_t i = 0; i < properties->count_props; i++) {
		drmModePropertyRes *property = drmModeGetProperty(fd, properties->props[i]);
		if (!property) {
			return failure();
		}
		if (strcmp(property->name, "type") == 0) {
			uint64_t type = properties->prop_values[i];
			ret->type = type == DRM_PLANE_TYPE_PRIMARY  ? CARD_PLANE_PRIMARY
				    : type == DRM_PLANE_TYPE_CURSOR ? CARD_PLANE_CURSOR
								    : CARD_PLANE_OVERLAY;
		}
		drmModeFreeProperty(property);
	}
	return 0;
}

static int drm_snapshot(int fd, const struct card_mode *usual, struct card_snapshot *ret) {
	struct card_snapshot s = {0};
	CLEANUP(cleanup_resources) drmModeRes *resources = drmModeGetResources(fd);
	CLEANUP(cleanup_plane_resources)
	drmModePlaneRes *planes = resources ? drmModeGetPlaneResources(fd) : NULL;
	if (!planes) {
		return failure();
	}
	for (int i = 0; i < resources->count_crtcs && i < CARD_MAX_OBJECTS; i++) {
		s.crtcs[s.n_crtcs++] = resources->crtcs[i];
	}
	for (int i = 0; i < resources->count_connectors && i < CARD_MAX_OBJECTS; i++) {
		/* Probes; a connector that nobody ever probed reads "unknown". */
		CLEANUP(cleanup_connector)
		drmModeConnector *c = drmModeGetConnector(fd, resources->connectors[i]);
		if (!c && errno == ENOENT) {
			continue; // unplugged since GetResources
		}
		int r = c ? read_connector(fd, resources, c, usual, &s.connectors[s.n_connectors])
			  : failure();
		if (r < 0) {
			return r;
		}
		s.n_connectors++;
	}
	for (uint32_t i = 0; i < planes->count_planes && i < CARD_MAX_OBJECTS; i++) {
		int r = read_plane(fd, planes->planes[i], &s.planes[s.n_planes]);
		if (r < 0) {
			return r;
		}
		s.n_planes++;
	}
	*ret = s;
	return 0;
}

static int drm_force_connect(const char *device, const char *connector) {
	char path[160];
	snprintf(path, sizeof(path), "/sys/class/drm/%s-%s/status", strrchr(device, '/') + 1,
		connector);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "on", 2) < 0) {
		return -errno;
	}
	return 0;
}

/* Atomic properties are not listed to a file without that capability, which may set them all the
 * same. The kernel makes them before any CRTC (drm_mode_create_standard_properties). */
static uint32_t find_out_fence(int fd, uint32_t crtc) {
	uint32_t found = 0;
	for (uint32_t id = 1; id < crtc && found == 0; id++) {
		drmModePropertyRes *property = drmModeGetProperty(fd, id);
		if (property) {
			found = strcmp(property->name, "OUT_FENCE_PTR") == 0 ? id : 0;
			drmModeFreeProperty(property);
		}
	}
	return found;
}

/*
 * Waits for the commits that are under way on the CRTC, with no lock but its own.
 * drmModeSetCrtc() and drmModeSetPlane() take every lock of the card before they wait for them
 * (drm_modeset_lock_all(), Linux 6.1 to 6.12), and no desktop could flip meanwhile. A commit of one
 * property takes only what it needs, and this one without an address changes nothing.
 */
static void await_commits(int fd, uint32_t crtc) {
	uint32_t out_fence = find_out_fence(fd, crtc);
	/* Twice: a flip that was on its way when the lease was revoked may have waited for the lock
	 * meanwhile. Only one can, all others are refused beside it (stall_checks()). */
	for (int i = 0; i < 2 && out_fence != 0; i++) {
		drmModeObjectSetProperty(fd, crtc, DRM_MODE_OBJECT_CRTC, out_fence, 0);
	}
}

static int drm_blank(int fd, const struct card_objects *objects) {
	await_commits(fd, objects->crtc);
	/* A CRTC that is off shows nothing, but its planes may still name a framebuffer that the
	 * next lessee could read: everything goes, and is then looked at. */
	if (drmModeSetCrtc(fd, objects->crtc, 0, 0, 0, NULL, 0, NULL) < 0) {
		return failure();
	}
	for (unsigned i = 0; i < objects->n_planes; i++) {
		if (drmModeSetPlane(fd, objects->planes[i], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) < 0) {
			return failure();
		}
	}
	for (unsigned i = 0; i < objects->n_planes; i++) {
		CLEANUP(cleanup_plane)
		drmModePlane *plane = drmModeGetPlane(fd, objects->planes[i]);
		if (!plane) {
			return failure();
		}
		if (plane->fb_id != 0) {
			return -EBUSY;
		}
	}
	CLEANUP(cleanup_crtc) drmModeCrtc *crtc = drmModeGetCrtc(fd, objects->crtc);
	if (!crtc) {
		return failure();
	}
	return crtc->buffer_id != 0 || crtc->mode_valid ? -EBUSY : 0;
}

static void close_handles(int fd, const drmModeFB2 *fb) {
	for (int i = 0; i < 4; i++) {
		bool closed = false;
		for (int k = 0; k < i; k++) {
			closed |= fb->handles[k] == fb->handles[i];
		}
		if (fb->handles[i] != 0 && !closed) {
			drmCloseBufferHandle(fd, fb->handles[i]);
		}
	}
}

/* A second framebuffer on the same memory: one that its owner cannot remove. */
static int copy_framebuffer(int fd, uint32_t id, uint32_t *ret) {
	uint64_t modifiers[4] = {0};
	drmModeFB2 *fb = drmModeGetFB2(fd, id);
	if (!fb) {
		return failure();
	}
	for (int i = 0; i < 4 && fb->handles[i] != 0; i++) {
		modifiers[i] = fb->modifier;
	}
	int r = drmModeAddFB2WithModifiers(fd, fb->width, fb->height, fb->pixel_format, fb->handles,
			fb->pitches, fb->offsets,
			fb->flags & DRM_MODE_FB_MODIFIERS ? modifiers : NULL, ret, fb->flags) < 0
			? failure()
			: 0;
	close_handles(fd, fb);
	drmModeFreeFB2(fb);
	return r;
}

static int drm_drop(int fd, uint32_t framebuffer) {
	return drmModeRmFB(fd, framebuffer) < 0 ? failure() : 0;
}

static int drm_adopt(int fd, const struct card_objects *objects, uint32_t *framebuffer) {
	await_commits(fd, objects->crtc);
	CLEANUP(cleanup_plane) drmModePlane *plane = drmModeGetPlane(fd, objects->planes[0]);
	CLEANUP(cleanup_crtc)
	drmModeCrtc *crtc = plane ? drmModeGetCrtc(fd, objects->crtc) : NULL;
	uint32_t copy;
	if (!crtc) {
		return failure();
	}
	if (plane->fb_id == 0 || !crtc->mode_valid) {
		return -ENOENT;
	}
	if (plane->fb_id == *framebuffer) {
		return 0;
	}
	int r = copy_framebuffer(fd, plane->fb_id, &copy);
	if (r < 0) {
		return r;
	}
	if (drmModeSetPlane(fd, objects->planes[0], objects->crtc, copy, 0, 0, 0,
		    crtc->mode.hdisplay, crtc->mode.vdisplay, crtc->x << 16, crtc->y << 16,
		    (uint32_t)crtc->mode.hdisplay << 16, (uint32_t)crtc->mode.vdisplay << 16) < 0) {
		r = failure();
		drm_drop(fd, copy);
		return r;
	}
	if (*framebuffer != 0) {
		drm_drop(fd, *framebuffer);
	}
	*framebuffer = copy;
	return 0;
}

static int drm_read_mode(int fd, uint32_t id, struct card_mode *ret) {
	CLEANUP(cleanup_crtc) drmModeCrtc *crtc = drmModeGetCrtc(fd, id);
	if (!crtc) {
		return failure();
	}
	*ret = crtc->mode_valid ? mode_list_convert(&crtc->mode) : (struct card_mode){0};
	return 0;
}

static int drm_create_lease(int fd, const struct card_objects *objects, uint32_t *ret_lessee) {
	uint32_t ids[2 + CARD_MAX_OBJECTS];
	int n = 0;
	if (objects) {
		ids[n++] = objects->connector;
		ids[n++] = objects->crtc;
		for (unsigned i = 0; i < objects->n_planes; i++) {
			ids[n++] = objects->planes[i];
		}
	}
	return drmModeCreateLease(fd, ids, n, O_CLOEXEC | O_NONBLOCK, ret_lessee);
}

static int drm_list_lessees(int fd, uint32_t *ret, size_t max) {
	AUTO_FREE drmModeLesseeListRes *list = drmModeListLessees(fd);
	if (!list) {
		return failure();
	}
	for (uint32_t i = 0; i < list->count && i < max; i++) {
		ret[i] = list->lessees[i];
	}
	return (int)list->count;
}

const struct card_ops card_drm_ops = {
	.monitor = uevent_open,
	.read_event = uevent_read,
	.enumerate = card_node_enumerate,
	.find_node = card_node_find,
	.resolve = card_node_resolve,
	.driver = card_node_driver,
	.open_log = kernellog_open,
	.open = drm_open,
	.describe_master = card_holder_describe,
	.snapshot = drm_snapshot,
	.force_connect = drm_force_connect,
	.blank = drm_blank,
	.adopt = drm_adopt,
	.drop = drm_drop,
	.read_mode = drm_read_mode,
	.create_lease = drm_create_lease,
	.revoke_lease = drmModeRevokeLease,
	.list_lessees = drm_list_lessees,
};
