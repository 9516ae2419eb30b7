#include "daemon/kms/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"

#define KERNEL_GROUP 1 // lib/kobject_uevent.c; udevd repeats events in group 2
#define DATAGRAM_MAX 8192

int uevent_open(void) {
	AUTO_CLOSE int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0) {
		return -errno;
	}
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

/* The value of KEY=… among NUL-terminated strings, or NULL. */
static const char *find(const char *text, const char *end, const char *key) {
	size_t length = strlen(key);
	for (const char *p = text; p < end; p += strnlen(p, (size_t)(end - p)) + 1) {
		if ((size_t)(end - p) > length && memcmp(p, key, length) == 0 && p[length] == '=') {
			return p + length + 1;
		}
	}
	return NULL;
}

bool uevent_parse(const char *datagram, size_t size, struct card_event *ret) {
	/* Values are used as strings: the last one must be terminated. */
	if (size == 0 || datagram[size - 1] != '\0') {
		return false;
	}
	const char *end = datagram + size;
	const char *subsystem = find(datagram, end, "SUBSYSTEM");
	const char *device = find(datagram, end, "DEVNAME");
	const char *action = find(datagram, end, "ACTION");
	if (!subsystem || !device || !action || strcmp(subsystem, "drm") != 0 ||
		strncmp(device, "dri/card", 8) != 0) {
		return false;
	}

	snprintf(ret->device, sizeof(ret->device), "/dev/%s", device);
	ret->type = CARD_EVENT_OTHER;
	if (strcmp(action, "add") == 0) {
		ret->type = CARD_EVENT_ADDED;
	} else if (strcmp(action, "remove") == 0) {
		ret->type = CARD_EVENT_REMOVED;
	} else if (find(datagram, end, "LEASE")) {
		ret->type = CARD_EVENT_LEASE;
	} else if (find(datagram, end, "HOTPLUG")) {
		ret->type = CARD_EVENT_HOTPLUG;
	}
	return true;
}

int uevent_read(int fd, struct card_event *ret) {
	for (;;) {
		char datagram[DATAGRAM_MAX];
		struct sockaddr_nl sender = {0};
		socklen_t length = sizeof(sender);
		ssize_t n = recvfrom(
			fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&sender, &length);
		if (n < 0) {
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		}
		/* Port 0 is the kernel; root could send to the group as well. */
		if (sender.nl_pid == 0 && uevent_parse(datagram, (size_t)n, ret)) {
			return 1;
		}
	}
}
