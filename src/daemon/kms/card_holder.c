#include "daemon/kms/card_holder.h"

#include <stdbool.h>
#include <stdio.h>
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

void card_holder_describe(const char *device, char *ret, size_t size) {
	if (!find_master(device, ret, size)) {
		snprintf(ret, size, "a process that 'fuser -v %s' shows", device);
	}
}
