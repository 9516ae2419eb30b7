#include "common/kernellog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

#define RECORD_MAX 8192 // CONSOLE_EXT_LOG_MAX, more than any record has
#define FACILITIES 8    // priority = facility * 8 + level; the kernel's own facility is 0

int kernellog_open(void) {
	AUTO_CLOSE int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

/*
 * "3,1234,5678901,-;[drm:virtio_gpu_dequeue_ctrl_func [virtio_gpu]] *ERROR* response 0x1203
 * (command 0x105)". Others than the kernel can write to its log, but not in its facility.
 */
static void count(const char *line, struct kernellog_refusals *refusals) {
	static const char before[] = "*ERROR* response 0x";
	char *end;
	unsigned long priority = strtoul(line, &end, 10);
	const char *response = strstr(line, before);
	if (end == line || *end != ',' || priority >= FACILITIES || !response ||
		!strstr(line, "virtio_gpu")) {
		return;
	}
	unsigned long code = strtoul(response + strlen(before), NULL, 16);
	refusals->no_memory += code == 0x1201;
	refusals->no_resource += code == 0x1203;
}

int kernellog_read(int fd, struct kernellog_refusals *refusals) {
	char record[RECORD_MAX + 1];
	ssize_t n = read(fd, record, RECORD_MAX);
	if (n < 0) {
		/* EPIPE: it was overwritten before we came to it. */
		return errno == EAGAIN ? 0 : errno == EPIPE || errno == EINTR ? 1 : -errno;
	}
	record[n] = '\0';
	/* What follows the first line begins with a blank, and is about the device. */
	char *rest = NULL;
	for (char *line = strtok_r(record, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		count(line, refusals);
	}
	return n > 0;
}
