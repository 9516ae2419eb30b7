#include "run/executable.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/cleanup.h"

int executable_find(const char *name, char path[PATH_MAX]) {
	const char *folders = getenv("PATH");
	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s", name);
		return access(path, X_OK) == 0 ? 0 : -ENOENT;
	}
	for (; folders; folders = strchr(folders, ':'), folders += folders != NULL) {
		snprintf(path, PATH_MAX, "%.*s/%s", (int)strcspn(folders, ":"), folders, name);
		if (access(path, X_OK) == 0) {
			return 0;
		}
	}
	return -ENOENT;
}

bool executable_contains(const char *path, const char *text) {
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
		return false;
	}
	void *data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED) {
		return false;
	}
	bool found = memmem(data, st.st_size, text, strlen(text));
	munmap(data, st.st_size);
	return found;
}

/* Those of a file count where its file system is of the same user namespace as we are. */
static bool is_first_user_namespace(void) {
	AUTO_FCLOSE FILE *f = fopen("/proc/self/uid_map", "re");
	char line[64];
	size_t space;
	/* "         0          0 4294967295" */
	return f && fgets(line, sizeof(line), f) && (space = strspn(line, " ")) < sizeof(line) &&
	       line[space] == '0' && strstr(line, " 0 4294967295");
}

struct executable_caps executable_read_caps(const char *path) {
	struct executable_caps caps = {0};
	struct vfs_ns_cap_data data = {0};
	struct statvfs st;
	ssize_t size = getxattr(path, "security.capability", &data, sizeof(data));
	uint32_t magic = le32toh(data.magic_etc), revision = magic & VFS_CAP_REVISION_MASK;

	if (size < (ssize_t)XATTR_CAPS_SZ_2 || !(magic & VFS_CAP_FLAGS_EFFECTIVE) ||
		revision == VFS_CAP_REVISION_1 ||
		(revision == VFS_CAP_REVISION_3 && data.rootid != 0) ||
		!is_first_user_namespace() || statvfs(path, &st) < 0 || (st.f_flag & ST_NOSUID)) {
		return caps;
	}
	for (unsigned i = 0; i <= CAP_LAST_CAP; i++) {
		uint64_t bit = UINT64_C(1) << i;
		if (le32toh(data.data[i / 32].permitted) & (uint32_t)(bit >> (i / 32 * 32))) {
			caps.gained |= bit;
			caps.missing |= prctl(PR_CAPBSET_READ, i) == 1 ? 0 : bit;
		}
	}
	return caps;
}

void executable_name_caps(uint64_t caps, const char *before, char *text, size_t size) {
	static const char *const names[] = {"chown", "dac_override", "dac_read_search", "fowner",
		"fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
		"net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock",
		"ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
		"sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config",
		"mknod", "lease", "audit_write", "audit_control", "setfcap", "mac_override",
		"mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon",
		"bpf", "checkpoint_restore"};
	size_t used = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]) && used < size; i++) {
		if (caps & (UINT64_C(1) << i)) {
			used += snprintf(text + used, size - used, "%s%s%s", used > 0 ? " " : "",
				before, names[i]);
		}
	}
}
