/* A lessee whose commit waits, with modeset locks held, for a fence that nobody signals. */
#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"

/* include/uapi/drm/vgem_drm.h of the kernel, which not every distribution packages. */
struct vgem_attach {
	uint32_t handle, flags, out_fence, pad;
};
struct vgem_signal {
	uint32_t fence, flags;
};
#define VGEM_ATTACH DRM_IOWR(DRM_COMMAND_BASE + 0x1, struct vgem_attach)
#define VGEM_SIGNAL DRM_IOW(DRM_COMMAND_BASE + 0x2, struct vgem_signal)
#define VGEM_FENCE_WRITE 0x1

struct fence {
	int vgem_fd, sync_fd;
	uint32_t number;
	uint64_t seconds; // until it is signalled; vgem itself does so after 10
};

/* Waiting for a write that never ends is what a hung GPU or client looks like. */
static int create_fence(struct fence *ret) {
	struct vgem_attach attach = {.flags = VGEM_FENCE_WRITE};
	struct dma_buf_export_sync_file export = {.flags = DMA_BUF_SYNC_READ, .fd = -1};
	AUTO_CLOSE int vgem_fd = drmOpen("vgem", NULL);
	AUTO_CLOSE int dmabuf = -1;
	uint32_t stride;
	uint64_t size;

	if (vgem_fd < 0) {
		return -ENODEV;
	}
	if (drmModeCreateDumbBuffer(vgem_fd, 16, 16, 32, 0, &attach.handle, &stride, &size) < 0 ||
		drmIoctl(vgem_fd, VGEM_ATTACH, &attach) < 0 ||
		drmPrimeHandleToFD(vgem_fd, attach.handle, DRM_CLOEXEC, &dmabuf) < 0 ||
		drmIoctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export) < 0) {
		return -errno;
	}
	*ret = (struct fence){
		.vgem_fd = TAKE_FD(vgem_fd), .sync_fd = export.fd, .number = attach.out_fence};
	return 0;
}

static void *signal_later(void *data) {
	const struct fence *fence = data;
	struct vgem_signal signal = {.fence = fence->number};
	const struct timespec time = {.tv_sec = (time_t)fence->seconds};

	nanosleep(&time, NULL);
	drmIoctl(fence->vgem_fd, VGEM_SIGNAL, &signal);
	return NULL;
}

static int add(drmModeAtomicReq *request, int fd, uint32_t object, uint32_t type, const char *name,
	uint64_t value) {
	drmModeObjectProperties *properties = drmModeObjectGetProperties(fd, object, type);
	int r = -ENOENT;

	for (uint32_t i = 0; properties != NULL && i < properties->count_props && r < 0; i++) {
		drmModePropertyRes *property = drmModeGetProperty(fd, properties->props[i]);

		if (property != NULL && strcmp(property->name, name) == 0) {
			r = drmModeAtomicAddProperty(request, object, property->prop_id, value);
		}
		drmModeFreeProperty(property);
	}
	drmModeFreeObjectProperties(properties);
	return r < 0 ? r : 0;
}

/* The other buffer, with a mode-set: naming the connector takes the lock of all connectors. */
static int build(const struct kms *kms, int sync_fd, drmModeAtomicReq *request) {
	const uint32_t plane = kms->primary_id;
	uint32_t blob;
	int r;

	if (drmModeCreatePropertyBlob(kms->fd, &kms->mode, sizeof(kms->mode), &blob) < 0) {
		return -errno;
	}
	r = add(request, kms->fd, kms->connector_id, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID",
		kms->crtc_id);
	if (r >= 0) {
		r = add(request, kms->fd, kms->crtc_id, DRM_MODE_OBJECT_CRTC, "MODE_ID", blob);
	}
	if (r >= 0) {
		r = add(request, kms->fd, kms->crtc_id, DRM_MODE_OBJECT_CRTC, "ACTIVE", 1);
	}
	if (r >= 0) {
		r = add(request, kms->fd, plane, DRM_MODE_OBJECT_PLANE, "FB_ID",
			kms->buffers[1].fb_id);
	}
	if (r >= 0) {
		r = add(request, kms->fd, plane, DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD",
			(uint64_t)sync_fd);
	}
	return r;
}

static int commit(const struct kms *kms, struct fence *fence) {
	drmModeAtomicReq *request;
	pthread_t thread;
	int r;

	if (drmSetClientCap(kms->fd, DRM_CLIENT_CAP_ATOMIC, 1) < 0) {
		return -errno;
	}
	request = drmModeAtomicAlloc();
	r = request == NULL ? -ENOMEM : build(kms, fence->sync_fd, request);
	if (r >= 0) {
		r = -pthread_create(&thread, NULL, signal_later, fence);
	}
	if (r >= 0) {
		/* Blocking: only those hold their locks while they wait for fences. */
		r = drmModeAtomicCommit(kms->fd, request, DRM_MODE_ATOMIC_ALLOW_MODESET, NULL);
		pthread_join(thread, NULL);
	}
	drmModeAtomicFree(request);
	return r;
}

static int wedge(const struct probe *probe, const struct probe_output *output) {
	AUTO_JSON cJSON *json = probe_describe(output);
	AUTO_JSON cJSON *result = cJSON_CreateObject();
	struct fence fence;
	uint64_t begun;
	int r = create_fence(&fence);

	if (r < 0) {
		return probe_failed(r, "make a fence (is vgem loaded?)");
	}
	fence.seconds = probe->number;
	cJSON_AddTrueToObject(json, "ready");
	report_line(json);
	begun = report_now_usec();
	r = commit(&output->kms, &fence);
	cJSON_AddNumberToObject(result, "held", (double)(report_now_usec() - begun) / 1e6);
	cJSON_AddStringToObject(result, "commit", report_errno(r));
	report_line(result);
	close(fence.sync_fd);
	close(fence.vgem_fd);
	return r;
}

int probe_wedge(const struct probe *probe) {
	struct probe_output output;
	int r = probe_open(probe, &output);

	if (r < 0) {
		return r;
	}
	r = probe_show(probe, &output);
	if (r >= 0) {
		r = wedge(probe, &output);
	}
	probe_close(&output);
	return r;
}
