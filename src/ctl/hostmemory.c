#include "ctl/hostmemory.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/kernellog.h"
#include "ctl/property.h"

#define MIB (UINT64_C(1) << 20)
/* The one that is shown, the next one, and one that a compositor keeps at hand. */
#define PICTURES 3
#define BYTES_PER_PIXEL 4
/* What the documents say for 16 desktops; more is asked for only where that is too little. */
#define ENOUGH_MIB 1024

struct need {
	unsigned scanouts, shown;
	uint64_t mib;
};

/* What all of them take together, in the size that they have or would begin with. */
static struct need count_need(const cJSON *scanouts) {
	struct need need = {0};
	uint64_t bytes = 0;
	const cJSON *scanout;
	cJSON_ArrayForEach (scanout, scanouts) {
		const char *state = property_string(scanout, "state");
		uint64_t shown =
			property_number(scanout, "width") * property_number(scanout, "height");
		uint64_t preferred = property_number(scanout, "preferred_width") *
				     property_number(scanout, "preferred_height");
		if (strcmp(state, "absent") == 0 || strcmp(state, "excluded") == 0) {
			continue;
		}
		need.scanouts++;
		need.shown += shown > 0;
		bytes += (shown > 0 ? shown : preferred) * BYTES_PER_PIXEL * PICTURES;
	}
	need.mib = bytes / MIB;
	return need;
}

/* 0, or a negative errno if the log cannot be read. */
static int read_log(struct kernellog_refusals *refusals) {
	AUTO_CLOSE int fd = kernellog_open();
	if (fd < 0) {
		return fd;
	}
	if (lseek(fd, 0, SEEK_SET) < 0) {
		return -errno;
	}
	int r;
	while ((r = kernellog_read(fd, refusals)) > 0) {
	}
	return r;
}

static void describe_refusals(const struct kernellog_refusals *refusals, char *ret, size_t size) {
	if (refusals->no_memory == 0 && refusals->no_resource == 0) {
		snprintf(ret, size, "scanoutd has seen it in the kernel's log");
	} else {
		snprintf(ret, size,
			"virtio_gpu in the kernel's log: response 0x1201 %u times, 0x1203 %u times",
			refusals->no_memory, refusals->no_resource);
	}
}

void hostmemory_check(struct diagnosis *d, const cJSON *scanouts, bool told) {
	struct kernellog_refusals refusals = {0};
	struct need need = count_need(scanouts);
	uint64_t enough = ENOUGH_MIB;
	char seen[128];
	int r = read_log(&refusals);
	while (enough < need.mib) {
		enough *= 2;
	}
	if (told || refusals.no_memory > 0 || refusals.no_resource > 0) {
		describe_refusals(&refusals, seen, sizeof(seen));
		diagnosis_add(d, VERDICT_WARN, "host memory", NULL,
			"The host has no memory left for framebuffers (%s): heads stay black. %u of %u "
			"scanouts show something, and all of them take up to %llu MiB; QEMU gives "
			"256 by default. Start it with -device "
			"virtio-gpu-pci,max_outputs=%u,max_hostmem=%lluM",
			seen, need.shown, need.scanouts, (unsigned long long)need.mib,
			need.scanouts, (unsigned long long)enough);
		return;
	}
	diagnosis_add(d, VERDICT_OK, "host memory", NULL,
		"%s; all %u scanouts take up to %llu MiB (max_hostmem of QEMU's device: 256 by "
		"default)",
		r < 0 ? "only root sees whether the host refuses framebuffers"
		      : "the host has refused no framebuffer",
		need.scanouts, (unsigned long long)need.mib);
}

bool hostmemory_is_meant(const char *warning) {
	return strstr(warning, "max_hostmem");
}
