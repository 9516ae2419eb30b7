#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

void run_pending(sd_event *event) {
	int r;
	while ((r = sd_event_run(event, 0)) > 0 || r == -ENOMEM) {
	}
	assert_int_equal(r, 0);
}

char *make_directory(void) {
	char *path = NULL;
	const char *base = getenv("TMPDIR");
	assert_true(asprintf(&path, "%s/scanoutd-test-XXXXXX", base ? base : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
	return remove(path);
}

void remove_directory(char *path) {
	if (path) {
		nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		free(path);
	}
}

char *write_file(const char *directory, const char *name, const void *content, size_t size) {
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	AUTO_FCLOSE FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, size, file), size);
	return path;
}

char *write_text(const char *directory, const char *name, const char *text) {
	return write_file(directory, name, text, strlen(text));
}

void wait_readable(int fd, const char *what) {
	struct pollfd p = {.fd = fd, .events = POLLIN};
	patience_begin(what);
	assert_int_equal(poll(&p, 1, -1), 1);
	patience_end();
}

unsigned count_fds(pid_t pid) {
	char path[64];
	unsigned n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *directory = opendir(path);
	while (directory && readdir(directory)) {
		n++;
	}
	if (directory) {
		closedir(directory);
	}
	return n;
}

int wait_for_exit(pid_t pid) {
	int status = 0;
	char what[64];
	snprintf(what, sizeof(what), "the end of process %d", (int)pid);
	patience_begin(what);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	patience_end();
	return status;
}
