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
#include "kms_atomic.h"
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

/*
 * A blocking mode-set waits for the fence with its locks held. One that does not block, which is
 * what compositors do, waits in a worker of the kernel's with none; whoever works on the same CRTC
 * then, waits for it with the locks that that takes.
 */
static int commit(struct kms *kms, bool nonblock, const struct fence *fence) {
	return nonblock ? kms_atomic_commit(kms, 1,
				  DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT,
				  fence->sync_fd)
			: kms_atomic_commit(kms, 1, DRM_MODE_ATOMIC_ALLOW_MODESET, fence->sync_fd);
}

static void report_ready(const struct probe_output *output) {
	AUTO_JSON cJSON *json = probe_describe(output);

	cJSON_AddTrueToObject(json, "ready");
	report_line(json);
}

/* Returns when the fence has been signalled. */
static int wait_for_fence(
	const struct probe *probe, struct probe_output *output, const struct fence *fence) {
	pthread_t thread;
	int r = -pthread_create(&thread, NULL, signal_later, (void *)fence);

	if (r < 0) {
		return r;
	}
	if (!probe->atomic) {
		report_ready(output); // before: nothing comes back until then
	}
	r = commit(&output->kms, probe->atomic, fence);
	if (r >= 0 && probe->atomic) {
		report_ready(output);
		r = kms_wait_flip(&output->kms);
	}
	pthread_join(thread, NULL);
	return r;
}

static int wedge(const struct probe *probe, struct probe_output *output) {
	AUTO_JSON cJSON *result = cJSON_CreateObject();
	struct fence fence;
	uint64_t begun;
	int r = create_fence(&fence);

	if (r < 0) {
		return probe_failed(r, "make a fence (is vgem loaded?)");
	}
	fence.seconds = probe->number;
	begun = report_now_usec();
	r = wait_for_fence(probe, output, &fence);
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
	if (r >= 0 && !probe->atomic) { // shown by legacy calls
		r = kms_atomic_enable(&output.kms);
	}
	if (r >= 0) {
		r = wedge(probe, &output);
	}
	probe_close(&output);
	return r;
}
