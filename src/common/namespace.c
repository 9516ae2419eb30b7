#include "common/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/number.h"

static int read_text(pid_t pid, const char *name, char *text, size_t size) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n < 0) {
		return -errno;
	}
	text[n] = '\0';
	return 0;
}

/* Of "NSpid:\t17\t2": a process has a pid in our namespace and in each below it that it is in. */
static unsigned count_pids(const char *line) {
	unsigned pid, count = 0;
	while (*line++ == '\t' && number_take(&line, INT_MAX, &pid)) {
		count++;
	}
	return count;
}

static int has_our_pids(pid_t pid) {
	static const char name[] = "NSpid:";
	char path[64], line[512]; // of the groups, which may be many, a part
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	if (!f) {
		return -errno;
	}
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) == 0) {
			return count_pids(line + strlen(name)) == 1;
		}
	}
	return -EBADMSG;
}

/* Told by its uids: the links of namespaces may be read by few. */
static int has_our_uids(pid_t pid) {
	char ours[4096], theirs[4096];
	int r = read_text(pid, "uid_map", theirs, sizeof(theirs));
	if (r < 0 || (r = read_text(getpid(), "uid_map", ours, sizeof(ours))) < 0) {
		return r;
	}
	return strcmp(ours, theirs) == 0;
}

int namespace_is_ours(pid_t pid) {
	int r = has_our_pids(pid);
	return r > 0 ? has_our_uids(pid) : r;
}
