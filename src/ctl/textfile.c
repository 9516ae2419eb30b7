#include "ctl/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

/* All folders that lead to a file. */
static int make_parents(const char *path) {
	char parent[PATH_MAX];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (slash - path >= PATH_MAX) {
			return -ENAMETOOLONG;
		}
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (mkdir(parent, 0755) < 0 && errno != EEXIST) {
			return -errno;
		}
	}
	return 0;
}

/* An engine may read at any time, and must not find half of it. */
int textfile_write(const char *path, const char *text) {
	AUTO_FREE char *draft = NULL;
	int r = make_parents(path);
	if (r < 0) {
		return r;
	}
	if (asprintf(&draft, "%s.XXXXXX", path) < 0) {
		draft = NULL;
		return -ENOMEM;
	}
	int fd = mkostemp(draft, O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	FILE *f = fdopen(fd, "w");
	if (!f) {
		r = -errno;
		close(fd);
	} else {
		bool good = fputs(text, f) >= 0 && fputc('\n', f) != EOF && fchmod(fd, 0644) == 0;
		good = fclose(f) == 0 && good;
		r = good && rename(draft, path) == 0 ? 0 : -errno;
	}
	if (r < 0) {
		unlink(draft);
	}
	return r;
}
