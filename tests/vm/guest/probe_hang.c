/*
 * A lessee whose commit stops in the kernel, with modeset locks held, until it is told to go on.
 *
 * As behind a fence (probe_wedge.c), but for as long as the test needs: the kernel reads the last
 * value of an atomic request when it has locked all objects of those before, and the page on which
 * that value lies is missing until we supply it (userfaultfd).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"
#include "stop.h"

#define N_OBJECTS 3
#define N_PROPERTIES 5

/* What DRM_IOCTL_MODE_ATOMIC takes: objects, how many properties each, and those one by one. */
struct request {
	uint32_t objects[N_OBJECTS];
	uint32_t counts[N_OBJECTS];
	uint32_t properties[N_PROPERTIES];
	uint64_t *values; // the last one is alone on the missing page
	int fd, result;
};

/* The pages with the values, the second one missing. */
struct pages {
	char *begin;
	size_t size; // of one
	int faults;
};

static int create_pages(struct pages *ret) {
	struct uffdio_api api = {.api = UFFD_API};
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	AUTO_CLOSE int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	char *begin =
		mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register second = {
		.range = {.start = (uintptr_t)begin + size, .len = size},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (faults < 0 || begin == MAP_FAILED || ioctl(faults, UFFDIO_API, &api) < 0 ||
		ioctl(faults, UFFDIO_REGISTER, &second) < 0) {
		return -errno;
	}
	*ret = (struct pages){.begin = begin, .size = size, .faults = TAKE_FD(faults)};
	return 0;
}

/* Returns when somebody needs the missing page. */
static int wait_fault(const struct pages *pages) {
	struct uffd_msg message;
	ssize_t n;

	do {
		n = read(pages->faults, &message, sizeof(message));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(message) ? 0 : -EIO;
}

static int supply_page(const struct pages *pages, uint64_t first) {
	AUTO_FREE uint64_t *page = calloc(1, pages->size);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)pages->begin + pages->size,
		.src = (uintptr_t)page,
		.len = pages->size,
	};

	if (page == NULL) {
		return -ENOMEM;
	}
	page[0] = first;
	return ioctl(pages->faults, UFFDIO_COPY, &copy) < 0 ? -errno : 0;
}

/* A mode-set with the other buffer: naming the connector takes the lock of all connectors. */
static int build(const struct kms *kms, const struct pages *pages, struct request *ret) {
	const uint32_t connector = kms->connector_id, crtc = kms->crtc_id, plane = kms->primary_id;
	struct request request = {
		.objects = {connector, crtc, plane},
		.counts = {1, 2, 2},
		.properties =
			{
				kms_property(
					kms->fd, connector, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID"),
				kms_property(kms->fd, crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID"),
				kms_property(kms->fd, crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE"),
				kms_property(kms->fd, plane, DRM_MODE_OBJECT_PLANE, "CRTC_ID"),
				kms_property(kms->fd, plane, DRM_MODE_OBJECT_PLANE, "FB_ID"),
			},
		.values = (uint64_t *)(pages->begin + pages->size) - (N_PROPERTIES - 1),
		.fd = kms->fd,
	};
	uint32_t mode;

	for (size_t i = 0; i < N_PROPERTIES; i++) {
		if (request.properties[i] == 0) {
			return -ENOENT;
		}
	}
	if (drmModeCreatePropertyBlob(kms->fd, &kms->mode, sizeof(kms->mode), &mode) < 0) {
		return -errno;
	}
	const uint64_t values[N_PROPERTIES - 1] = {crtc, mode, 1, crtc};
	memcpy(request.values, values, sizeof(values));
	*ret = request;
	return 0;
}

static void *commit(void *data) {
	struct request *request = data;
	struct drm_mode_atomic atomic = {
		.flags = DRM_MODE_ATOMIC_ALLOW_MODESET,
		.count_objs = N_OBJECTS,
		.objs_ptr = (uintptr_t)request->objects,
		.count_props_ptr = (uintptr_t)request->counts,
		.props_ptr = (uintptr_t)request->properties,
		.prop_values_ptr = (uintptr_t)request->values,
	};

	request->result = drmIoctl(request->fd, DRM_IOCTL_MODE_ATOMIC, &atomic) < 0 ? -errno : 0;
	if (request->result < 0) { // maybe without having hung
		probe_failed(request->result, "commit");
	}
	return NULL;
}

static int hang(const struct probe *probe, struct probe_output *output, int stop_fd) {
	AUTO_JSON cJSON *json = probe_describe(output);
	AUTO_JSON cJSON *result = cJSON_CreateObject();
	const struct kms *kms = &output->kms;
	struct request request;
	struct pages pages = {.faults = -1};
	pthread_t thread;
	int r;

	if (drmSetClientCap(kms->fd, DRM_CLIENT_CAP_ATOMIC, 1) < 0) {
		return probe_failed(-errno, "be an atomic client");
	}
	r = create_pages(&pages);
	if (r < 0) {
		return probe_failed(r, "leave a page missing");
	}
	r = build(kms, &pages, &request);
	if (r >= 0) {
		r = -pthread_create(&thread, NULL, commit, &request);
	}
	if (r >= 0) {
		r = wait_fault(&pages);
	}
	if (r < 0) {
		return probe_failed(r, "begin the commit");
	}
	cJSON_AddTrueToObject(json, "hangs");
	report_line(json);
	stop_wait(stop_fd);
	r = supply_page(&pages, kms->buffers[1].fb_id);
	if (r < 0) {
		return probe_failed(r, "let the commit go on");
	}
	pthread_join(thread, NULL);
	cJSON_AddStringToObject(result, "commit", report_errno(request.result));
	report_line(result);
	return request.result;
}

int probe_hang(const struct probe *probe) {
	return probe_work(probe, hang);
}
