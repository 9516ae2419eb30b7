#include "common/preload.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

#define LIBRARY "libscanout-preload.so"

static const char *const places[] = {".", SCANOUT_LIBDIR_FROM_BINDIR};
#define N_PLACES (sizeof(places) / sizeof(places[0]))

/* The program's folder. */
static bool find_self(char *path, size_t size) {
	ssize_t length = readlink("/proc/self/exe", path, size - 1);
	if (length < 0) {
		return false;
	}
	path[length] = '\0';
	*strrchr(path, '/') = '\0';
	return true;
}

char *preload_find(void) {
	char self[PATH_MAX], path[PATH_MAX + 256];
	char *found = NULL;
	bool knows = find_self(self, sizeof(self));
	for (size_t i = 0; i < N_PLACES && knows && !found; i++) {
		snprintf(path, sizeof(path), "%s/%s/" LIBRARY, self, places[i]);
		found = realpath(path, NULL);
	}
	return found;
}

void preload_places(char *text, size_t size) {
	char self[PATH_MAX], path[PATH_MAX + 256];
	size_t used = 0;
	text[0] = '\0';
	if (!find_self(self, sizeof(self))) {
		return;
	}
	for (size_t i = 0; i < N_PLACES && used < size; i++) {
		snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		AUTO_FREE char *clean = realpath(path, NULL);
		used += snprintf(text + used, size - used, "%s'%s'", i > 0 ? " nor in " : "",
			clean ? clean : path);
	}
}
