#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"

/* sun_path has 108 bytes, and the names in here need some of them. */
#define MAX_PARENT 80

static int create_below(struct folder *folder, const char *parent) {
	AUTO_FREE char *path = NULL;
	if (asprintf(&path, "%s/scanout-XXXXXX", parent) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(path)) {
		return -errno;
	}
	folder->path = TAKE_PTR(path);
	return 0;
}

int folder_create(struct folder *folder) {
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	if (runtime && runtime[0] == '/' && strlen(runtime) <= MAX_PARENT &&
		create_below(folder, runtime) == 0) {
		return 0;
	}
	return create_below(folder, "/tmp");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
	(void)remove(path);
	return 0;
}

void folder_remove(struct folder *folder) {
	if (folder->path) {
		(void)nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		free(TAKE_PTR(folder->path));
	}
}

char *folder_join(const struct folder *folder, const char *name) {
	char *path;
	return asprintf(&path, "%s/%s", folder->path, name) < 0 ? NULL : path;
}

char *folder_make(const struct folder *folder, const char *name) {
	AUTO_FREE char *path = folder_join(folder, name);
	if (!path || (mkdir(path, 0700) < 0 && errno != EEXIST)) {
		return NULL;
	}
	return TAKE_PTR(path);
}

int folder_write(const struct folder *folder, const char *name, const char *text) {
	AUTO_FREE char *path = folder_join(folder, name);
	if (!path) {
		return -ENOMEM;
	}
	AUTO_FCLOSE FILE *f = fopen(path, "we");
	if (!f || fputs(text, f) < 0 || fflush(f) != 0) {
		return -errno;
	}
	return 0;
}
