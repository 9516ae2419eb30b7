#include "daemon/kms/card_holder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"

int card_holder_parse(const char *line, char ret_name[21]) {
	int pid;
	char master;
	/* drm_clients_info(): "%20s %5d %3d   %c …" with command, pid, minor and master. */
	if (strlen(line) < 21 || sscanf(line + 20, "%d %*d %c", &pid, &master) != 2 ||
		master != 'y') {
		return 0;
	}
	size_t blank = strspn(line, " ");
	blank = blank < 20 ? blank : 20;
	snprintf(ret_name, 21, "%.*s", (int)(20 - blank), line + blank);
	return pid;
}

/* The table of drm_debugfs.c: "command  pid dev master a uid magic". */
static bool find_master(const char *device, char *ret, size_t size) {
	char path[128], line[256];
	struct stat st;
	if (stat(device, &st) < 0) {
		return false;
	}
	snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%u/clients", minor(st.st_rdev));
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		char name[21];
		int pid = card_holder_parse(line, name);
		if (pid > 0 && pid != getpid()) {
			snprintf(ret, size, "%s (pid %d)", name, pid);
			return true;
		}
	}
	return false;
}

static bool has_open(const char *pid, dev_t device) {
	char path[600];
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	DIR *fds = opendir(path);
	bool found = false;
	for (struct dirent *e; fds && !found && (e = readdir(fds));) {
		struct stat st;
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, e->d_name);
		found = stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == device;
	}
	if (fds) {
		closedir(fds);
	}
	return found;
}

static void read_name(const char *pid, char *ret, size_t size) {
	char path[300];
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	if (!file || !fgets(ret, (int)size, file)) {
		snprintf(ret, size, "process");
	}
	ret[strcspn(ret, "\n")] = '\0';
}

static void list_openers(const char *device, char *ret, size_t size) {
	struct stat st;
	size_t length = 0;
	DIR *proc = stat(device, &st) == 0 ? opendir("/proc") : NULL;
	for (struct dirent *e; proc && (e = readdir(proc));) {
		if (!isdigit((unsigned char)e->d_name[0]) || atoi(e->d_name) == getpid() ||
			!has_open(e->d_name, st.st_rdev)) {
			continue;
		}
		char name[64];
		read_name(e->d_name, name, sizeof(name));
		int n = snprintf(ret + length, size - length, "%s%s (pid %s)", length ? " or " : "",
			name, e->d_name);
		if (n < 0 || (size_t)n >= size - length) {
			break;
		}
		length += (size_t)n;
	}
	if (proc) {
		closedir(proc);
	}
}

void card_holder_describe(const char *device, char *ret, size_t size) {
	ret[0] = '\0';
	if (find_master(device, ret, size)) {
		return;
	}
	list_openers(device, ret, size);
	if (ret[0] == '\0') {
		snprintf(ret, size, "a process that cannot be seen from here");
	}
}
