#include "common/kmsdriver.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The last part of where a link leads to. */
static int read_link(const char *path, char *ret, size_t size) {
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	const char *slash = strrchr(target, '/');
	snprintf(ret, size, "%s", slash ? slash + 1 : target);
	return ret[0] ? 0 : -ENOENT;
}

int kmsdriver_read(const char *card, char *ret, size_t size) {
	char path[PATH_MAX];
	glob_t found;
	snprintf(path, sizeof(path), "/sys/class/drm/%s/device/driver", card);
	int r = read_link(path, ret, size);
	/* The device of a virtio card is what carries it: it has the driver of PCI, or of MMIO. */
	snprintf(path, sizeof(path), "/sys/class/drm/%s/device/virtio*/driver", card);
	int result = glob(path, 0, NULL, &found);
	if (result == 0) {
		r = read_link(found.gl_pathv[0], ret, size);
	}
	globfree(&found);
	return result == GLOB_NOSPACE ? -ENOMEM : r;
}
