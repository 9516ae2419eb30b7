#include "run/tempdir.h"

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

static int create_below(struct tempdir *dir, const char *parent) {
	AUTO_FREE char *path = NULL;
	if (asprintf(&path, "%s/scanout-XXXXXX", parent) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(path)) {
		return -errno;
	}
	dir->path = TAKE_PTR(path);
	return 0;
}

int tempdir_create(struct tempdir *dir, bool is_shared) {
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	dir->is_shared = is_shared;
	if (!is_shared && runtime && runtime[0] == '/' && strlen(runtime) <= MAX_PARENT &&
		create_below(dir, runtime) == 0) {
		return 0;
	}
	int r = create_below(dir, "/tmp");
	return r == 0 && is_shared && chmod(dir->path, 0711) < 0 ? -errno : r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
	(void)remove(path);
	return 0;
}

void tempdir_remove(struct tempdir *dir) {
	if (dir->path) {
		(void)nftw(dir->path, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		free(TAKE_PTR(dir->path));
	}
}

char *tempdir_join(const struct tempdir *dir, const char *name) {
	char *path;
	return asprintf(&path, "%s/%s", dir->path, name) < 0 ? NULL : path;
}

char *tempdir_make(const struct tempdir *dir, const char *name) {
	AUTO_FREE char *path = tempdir_join(dir, name);
	if (!path || (mkdir(path, 0700) < 0 && errno != EEXIST) ||
		(dir->is_shared && chmod(path, 0755) < 0)) {
		return NULL;
	}
	return TAKE_PTR(path);
}

char *tempdir_make_home(const struct tempdir *dir, const char *name, uid_t uid, bool is_anybody) {
	AUTO_FREE char *path = tempdir_join(dir, name);
	if (!path || (mkdir(path, 0700) < 0 && errno != EEXIST)) {
		return NULL;
	}
	/* A root without capabilities gives nothing away. */
	if ((is_anybody || chown(path, uid, -1) < 0) && chmod(path, 01777) < 0) {
		return NULL;
	}
	return TAKE_PTR(path);
}

int tempdir_write(const struct tempdir *dir, const char *name, const char *text) {
	AUTO_FREE char *path = tempdir_join(dir, name);
	if (!path) {
		return -ENOMEM;
	}
	AUTO_FCLOSE FILE *f = fopen(path, "we");
	if (!f || fputs(text, f) < 0 || fflush(f) != 0 ||
		(dir->is_shared && fchmod(fileno(f), 0644) < 0)) {
		return -errno;
	}
	return 0;
}
