#include "link/address.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* "0000:00:02.0": domain, bus, and what counts here: slot and function. */
static bool take_function(
	const char *name, size_t length, unsigned *ret_slot, unsigned *ret_function) {
	unsigned domain, bus;
	int used = 0;
	return sscanf(name, "%4x:%2x:%2x.%1x%n", &domain, &bus, ret_slot, ret_function, &used) ==
		       4 &&
	       (size_t)used == length;
}

void address_parse(const char *path, char *ret, size_t size) {
	unsigned domain, bus, slot, function;
	int used = 0;
	const char *root = strstr(path, "/pci");
	*ret = '\0';
	if (!root || sscanf(root, "/pci%4x:%2x%n", &domain, &bus, &used) != 2) {
		return;
	}
	size_t end = (size_t)snprintf(ret, size, "pci/%04x", domain), n_functions = 0;
	for (const char *name = root + used; *name == '/' && end < size; n_functions++) {
		size_t length = strcspn(++name, "/");
		if (!take_function(name, length, &slot, &function)) {
			break;
		}
		end += (size_t)snprintf(ret + end, size - end, "/%02x.%x", slot, function);
		name += length;
	}
	if (n_functions == 0 || end >= size) {
		*ret = '\0';
	}
}

void address_of_card(const char *device, char *ret, size_t size) {
	char link[PATH_MAX];
	const char *slash = strrchr(device, '/');
	snprintf(link, sizeof(link), "/sys/class/drm/%s/device", slash ? slash + 1 : device);
	AUTO_FREE char *path = realpath(link, NULL);
	address_parse(path ? path : "", ret, size);
}
