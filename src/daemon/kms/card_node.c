#include "daemon/kms/card_node.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/kmsdriver.h"

#define PREFIX "/dev/dri/card"
#define MAX_CARDS 64

int card_node_enumerate(char (*ret)[64], size_t max) {
	struct dirent **entries;
	size_t found = 0;
	int n = scandir("/dev/dri", &entries, NULL, versionsort);
	if (n < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	for (int i = 0; i < n; i++) {
		if (strncmp(entries[i]->d_name, "card", 4) == 0 && found < max) {
			snprintf(ret[found++], sizeof(*ret), "/dev/dri/%.50s", entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	return (int)found;
}

int card_node_find(int fd, char (*ret)[64]) {
	char found[MAX_CARDS][64];
	struct stat open_file, node;
	if (fstat(fd, &open_file) < 0) {
		return -errno;
	}
	int n = card_node_enumerate(found, MAX_CARDS);
	for (int i = 0; i < n; i++) {
		if (stat(found[i], &node) == 0 && S_ISCHR(node.st_mode) &&
			node.st_rdev == open_file.st_rdev) {
			memcpy(ret, found[i], sizeof(*ret));
			return 0;
		}
	}
	return n < 0 ? n : -ENODEV;
}

int card_node_resolve(const char *path, char (*ret)[64]) {
	AUTO_FREE char *node = NULL;
	if (strncmp(path, PREFIX, strlen(PREFIX)) != 0) {
		node = realpath(path, NULL);
		if (!node) {
			return -errno;
		}
		path = node;
	}
	if (strncmp(path, PREFIX, strlen(PREFIX)) != 0 || strlen(path) >= sizeof(*ret)) {
		return -ENXIO;
	}
	snprintf(*ret, sizeof(*ret), "%s", path);
	return 0;
}

int card_node_driver(const char *device, char *ret, size_t size) {
	return kmsdriver_read(strrchr(device, '/') + 1, ret, size);
}
