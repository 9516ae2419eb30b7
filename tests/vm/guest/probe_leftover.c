/* What a scanout still gives away: to the next lessee, and to one whose lease was taken back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"

struct view {
	const char *dumb; // errno name of each way to map the picture
	const char *prime;
	size_t size;
	size_t nonzero; // bytes, by the way that showed more
};

static size_t count_nonzero(const uint8_t *bytes, size_t n) {
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		count += bytes[i] != 0;
	}
	return count;
}

static int look(int fd, off_t offset, struct view *view) {
	void *bytes = mmap(NULL, view->size, PROT_READ, MAP_SHARED, fd, offset);
	size_t nonzero;

	if (bytes == MAP_FAILED) {
		return -errno;
	}
	nonzero = count_nonzero(bytes, view->size);
	if (nonzero > view->nonzero) {
		view->nonzero = nonzero;
	}
	munmap(bytes, view->size);
	return 0;
}

static int look_dumb(int fd, uint32_t handle, struct view *view) {
	uint64_t offset;

	if (drmModeMapDumbBuffer(fd, handle, &offset) < 0) {
		return -errno;
	}
	return look(fd, (off_t)offset, view);
}

static int look_prime(int fd, uint32_t handle, struct view *view) {
	AUTO_CLOSE int dmabuf = -1;

	if (drmPrimeHandleToFD(fd, handle, DRM_CLOEXEC, &dmabuf) < 0) {
		return -errno;
	}
	return look(dmabuf, 0, view);
}

/* GETFB2 under a request of another size: the kernel goes by type and number alone (drm_ioctl), and
 * takes of the argument as much as the request says. */
static int look_wide(int fd, uint32_t id) {
	struct {
		struct drm_mode_fb_cmd2 fb;
		char more[64];
	} wide = {.fb.fb_id = id};

	if (drmIoctl(fd, DRM_IOWR(0xCE, wide), &wide) < 0) {
		return -errno;
	}
	if (wide.fb.handles[0] != 0) {
		drmCloseBufferHandle(fd, wide.fb.handles[0]);
	}
	return 0;
}

/* And by the older ioctl. */
static int look_old(int fd, uint32_t id) {
	drmModeFB *fb = drmModeGetFB(fd, id);

	if (fb == NULL) {
		return -errno;
	}
	if (fb->handle != 0) {
		drmCloseBufferHandle(fd, fb->handle);
	}
	drmModeFreeFB(fb);
	return 0;
}

/* Tries everything on one framebuffer id. Return: NULL when there is no such framebuffer. */
static cJSON *peek_framebuffer(int fd, uint32_t id, const char *found_by, bool *visible) {
	drmModeFB2 *fb = drmModeGetFB2(fd, id);
	const int error = errno;
	struct view view = {.dumb = "none", .prime = "none"};
	cJSON *json;

	if (fb == NULL && error == ENOENT) {
		return NULL;
	}
	json = cJSON_CreateObject();
	cJSON_AddNumberToObject(json, "id", id);
	cJSON_AddStringToObject(json, "by", found_by);
	cJSON_AddStringToObject(json, "getfb", report_errno(look_old(fd, id)));
	cJSON_AddStringToObject(json, "wide", report_errno(look_wide(fd, id)));
	if (fb == NULL) {
		cJSON_AddStringToObject(json, "getfb2", report_errno(error));
		return json;
	}
	if (fb->handles[0] != 0) {
		view.size = (size_t)fb->pitches[0] * fb->height;
		view.dumb = report_errno(look_dumb(fd, fb->handles[0], &view));
		view.prime = report_errno(look_prime(fd, fb->handles[0], &view));
		drmCloseBufferHandle(fd, fb->handles[0]);
	}
	cJSON_AddStringToObject(json, "getfb2", "OK");
	cJSON_AddNumberToObject(json, "handle", fb->handles[0]);
	cJSON_AddNumberToObject(json, "width", fb->width);
	cJSON_AddNumberToObject(json, "height", fb->height);
	cJSON_AddStringToObject(json, "map_dumb", view.dumb);
	cJSON_AddStringToObject(json, "map_prime", view.prime);
	cJSON_AddNumberToObject(json, "bytes", (double)view.size);
	cJSON_AddNumberToObject(json, "nonzero", (double)view.nonzero);
	*visible = *visible || view.nonzero > 0;
	drmModeFreeFB2(fb);
	return json;
}

static void add_framebuffer(cJSON *list, int fd, uint32_t id, const char *found_by, bool *visible) {
	const cJSON *known;
	cJSON *json;

	cJSON_ArrayForEach (known, list) {
		if ((uint32_t)cJSON_GetObjectItem(known, "id")->valueint == id) {
			return;
		}
	}
	json = id != 0 ? peek_framebuffer(fd, id, found_by, visible) : NULL;
	if (json != NULL) {
		cJSON_AddItemToArray(list, json);
	}
}

static uint32_t plane_framebuffer(int fd, uint32_t plane_id) {
	drmModePlane *plane = plane_id != 0 ? drmModeGetPlane(fd, plane_id) : NULL;
	uint32_t id = plane != NULL ? plane->fb_id : 0;

	drmModeFreePlane(plane);
	return id;
}

int probe_peek(const struct probe *probe) {
	AUTO_JSON cJSON *json = NULL;
	struct probe_output output;
	uint32_t buffer = 0, primary, cursor;
	drmModeCrtc *crtc;
	bool visible = false;
	cJSON *list;
	int r, fd;

	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	fd = output.kms.fd;
	json = probe_describe(&output);
	crtc = drmModeGetCrtc(fd, output.kms.crtc_id);
	cJSON_AddStringToObject(json, "getcrtc", report_errno(crtc == NULL ? errno : 0));
	if (crtc != NULL) {
		buffer = crtc->buffer_id;
		cJSON_AddBoolToObject(json, "mode_valid", crtc->mode_valid);
		drmModeFreeCrtc(crtc);
	}
	primary = plane_framebuffer(fd, output.kms.primary_id);
	cursor = plane_framebuffer(fd, output.kms.cursor_id);
	cJSON_AddNumberToObject(json, "buffer_id", buffer);
	cJSON_AddNumberToObject(json, "primary_fb", primary);
	cJSON_AddNumberToObject(json, "cursor_fb", cursor);

	list = cJSON_AddArrayToObject(json, "framebuffers");
	add_framebuffer(list, fd, buffer, "crtc", &visible);
	add_framebuffer(list, fd, primary, "primary", &visible);
	add_framebuffer(list, fd, cursor, "cursor", &visible);
	for (uint32_t id = 1; id <= probe->scan; id++) {
		add_framebuffer(list, fd, id, "scan", &visible);
	}
	cJSON_AddBoolToObject(json, "visible", visible);
	report_line(json);
	probe_close(&output);
	return 0;
}

static void try_calls(struct probe_output *output, cJSON *json) {
	struct kms *kms = &output->kms;
	drmModeCrtc *crtc;
	int r;

	r = kms_flip(kms, 1);
	cJSON_AddStringToObject(json, "page_flip", report_errno(r));
	if (r >= 0) {
		kms_wait_flip(kms);
	}
	cJSON_AddStringToObject(json, "set_crtc", report_errno(kms_set_crtc(kms, 0)));
	crtc = drmModeGetCrtc(kms->fd, kms->crtc_id);
	cJSON_AddStringToObject(json, "get_crtc", report_errno(crtc == NULL ? errno : 0));
	drmModeFreeCrtc(crtc);
}

int probe_errno_after_release(const struct probe *probe) {
	struct probe_output output;
	char line[16];
	int r;

	r = probe_open(probe, &output);
	if (r < 0) {
		return r;
	}
	r = probe_show(probe, &output);
	if (r >= 0) {
		AUTO_JSON cJSON *ready = probe_describe(&output);
		AUTO_JSON cJSON *json = cJSON_CreateObject();

		cJSON_AddTrueToObject(ready, "ready");
		report_line(ready);
		if (fgets(line, sizeof(line), stdin) == NULL) {
			r = probe_failed(-EPIPE, "read a line from standard input");
		} else {
			try_calls(&output, json);
			report_line(json);
		}
	}
	probe_close(&output);
	return r;
}
