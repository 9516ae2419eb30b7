#include "common/container.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/namespace.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 // asm-generic/socket.h of Linux 6.5; Debian 12's headers are of 6.1
#endif

static void copy_span(char *target, size_t size, const char *start, size_t length) {
	if (length >= size) {
		length = size - 1;
	}
	memcpy(target, start, length);
	target[length] = '\0';
}

/* How the engines call a container's cgroup: prefix, name, suffix. */
static const struct {
	const char *prefix, *suffix, *engine;
} cgroup_names[] = {
	/* podman's "libpod-conmon-ID.scope" holds the monitor, which runs outside the container. */
	{"libpod-conmon-", ".scope", NULL},
	{"libpod-", ".scope", "podman"},
	{"libpod-payload-", "", "podman"}, // --cgroups=split, as Quadlet has it
	{"docker-", ".scope", "docker"},
	{"cri-containerd-", ".scope", "containerd"},
	{"crio-conmon-", ".scope", NULL},
	{"crio-", ".scope", "cri-o"},
	{"nerdctl-", ".scope", "containerd"},
	{"systemd-nspawn@", ".service", "nspawn"},
	{"machine-", ".scope", "nspawn"},
	{"lxc.payload.", "", "lxc"},
	{"libpod-", "", "podman"},
	{"crio-", "", "cri-o"},
};

static bool is_hex_id(const char *text, size_t length) {
	for (size_t i = 0; i < length; i++) {
		if (!isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return length == 64;
}

/* Fills in engine and container if this path component is a container's. */
static bool parse_component(
	const char *parent, const char *start, size_t length, struct container *container) {
	for (size_t i = 0; i < sizeof(cgroup_names) / sizeof(cgroup_names[0]); i++) {
		size_t prefix = strlen(cgroup_names[i].prefix);
		size_t suffix = strlen(cgroup_names[i].suffix);
		if (length <= prefix + suffix ||
			memcmp(start, cgroup_names[i].prefix, prefix) != 0 ||
			memcmp(start + length - suffix, cgroup_names[i].suffix, suffix) != 0) {
			continue;
		}
		if (!cgroup_names[i].engine) {
			return false;
		}
		copy_span(container->engine, sizeof(container->engine), cgroup_names[i].engine,
			strlen(cgroup_names[i].engine));
		copy_span(container->id, sizeof(container->id), start + prefix,
			length - prefix - suffix);
		return true;
	}
	/* The cgroupfs driver names the cgroup by the bare id: /docker/ID, /kubepods/…/ID. podman
	 * does so for a pod only, and its containers are below that. */
	bool is_pod = parent && strncmp(parent, "libpod_parent/", 14) == 0;
	if (is_hex_id(start, length) && !is_pod) {
		const char *engine =
			parent && strncmp(parent, "docker/", 7) == 0 ? "docker" : "container";
		copy_span(container->engine, sizeof(container->engine), engine, strlen(engine));
		copy_span(container->id, sizeof(container->id), start, length);
		return true;
	}
	return false;
}

static bool ends_with(const char *start, size_t length, const char *suffix) {
	size_t n = strlen(suffix);
	return length > n && memcmp(start + length - n, suffix, n) == 0;
}

/*
 * The path of the process in a hierarchy, of the line "N:controllers:/path"; without controllers
 * that is version 2's, number 0. A path may contain anything but a newline, so the file is read
 * line by line and field by field: a process that may create cgroups must not be able to hide its
 * container.
 */
static const char *find_path(const char *text, const char *controllers) {
	size_t wanted = strlen(controllers);
	for (const char *line = text; *line != '\0';) {
		size_t length = strcspn(line, "\n");
		size_t id = strcspn(line, ":\n");
		size_t size = line[id] == ':' ? strcspn(line + id + 1, ":\n") : 0;
		const char *second = line + id + 1 + size;
		if (line[id] == ':' && second[0] == ':' && second[1] == '/' && size == wanted &&
			memcmp(line + id + 1, controllers, wanted) == 0 &&
			(wanted > 0 || (id == 1 && line[0] == '0'))) {
			return second + 1;
		}
		line += length + (line[length] == '\n');
	}
	return NULL;
}

/* Whether the path is in a container. The outermost one counts, which the VM's engine started:
 * what runs inside it may name its own cgroups as it likes. */
static bool parse_path(const char *path, struct container *container) {
	const char *parent = NULL;
	unsigned user;
	if (sscanf(path, "/user.slice/user-%u.slice/", &user) == 1) {
		snprintf(container->user, sizeof(container->user), "user-%u.slice", user);
	}
	size_t end = strcspn(path, "\n");
	for (const char *p = path; p < path + end;) {
		p += strspn(p, "/");
		size_t length = strcspn(p, "/\n");
		if (length == 0) {
			break;
		}
		if (ends_with(p, length, ".service") || ends_with(p, length, ".scope")) {
			copy_span(container->unit, sizeof(container->unit), p, length);
		}
		if (parse_component(parent, p, length, container)) {
			return true;
		}
		parent = p;
		p += length;
	}
	return false;
}

int container_parse(const char *text, struct container *container) {
	/* Neither alone will do. Where systemd has a hierarchy of its own, of version 1, engines
	 * may leave version 2's as it is. Where it has not, somebody may mount one all the same, as
	 * systemd-nspawn does for a root without systemd: all other processes are at its root. */
	const char *paths[] = {find_path(text, "name=systemd"), find_path(text, "")};

	container->engine[0] = container->id[0] = '\0';
	container->unit[0] = container->user[0] = '\0';
	container->is_apart = false;
	if (!paths[0] && !paths[1]) {
		return -EBADMSG;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (paths[i] && parse_path(paths[i], container)) {
			break;
		}
	}
	return 0;
}

static int read_cgroup(pid_t pid, int pidfd, struct container *container) {
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);

	/* The pidfd ties the text to one process: if that process is still alive after the read,
	 * the pid was not reused in between. */
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		return -errno;
	}
	fd = (close(fd), -1);
	int is_ours = namespace_is_ours(pid);
	/* A zombie counts as dead: with cgroup v1 it reads as outside any container. */
	struct pollfd dead = {.fd = pidfd, .events = POLLIN};
	if (poll(&dead, 1, 0) != 0) {
		return -ESRCH;
	}
	if (is_ours < 0) {
		return is_ours;
	}
	text[n] = '\0';
	int r = container_parse(text, container);
	container->is_apart = !is_ours && container->id[0] == '\0';
	return r;
}

int container_of_process(pid_t pid, struct container *ret) {
	struct container container = {0};
	AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		return -errno;
	}
	int r = read_cgroup(pid, pidfd, &container);
	if (r >= 0) {
		*ret = container;
	}
	return r;
}

static int read_peer(int fd, struct ucred *ret) {
	socklen_t size = sizeof(*ret);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &size) < 0) {
		return -errno;
	}
	/* 0: a process of a pid namespace that is not ours or below it. */
	return ret->pid > 0 ? 0 : -ESRCH;
}

int container_peer_pidfd(int fd) {
	struct ucred peer;
	int pidfd;
	socklen_t size = sizeof(pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) >= 0) {
		return pidfd;
	}
	/* Any other error is of a process that is gone: its pid may be somebody else's by now. */
	if (errno != ENOPROTOOPT) {
		return -ESRCH;
	}
	int r = read_peer(fd, &peer);
	if (r < 0) {
		return r;
	}
	pidfd = pidfd_open(peer.pid, 0); // before Linux 6.5
	return pidfd < 0 ? -errno : pidfd;
}

/* Whether this pidfd is of that process; the kernel tells -1 of one that is gone. */
static int check_pidfd(int pidfd, pid_t pid) {
	char path[64], line[128];
	int found = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	AUTO_FCLOSE FILE *info = fopen(path, "re");
	if (!info) {
		return -errno;
	}
	while (fgets(line, sizeof(line), info)) {
		if (sscanf(line, "Pid:%d", &found) == 1) {
			return found == pid ? 0 : found < 0 ? -ESRCH : -EBADF;
		}
	}
	return -EBADF;
}

int container_of_peer(int fd, int pidfd, struct ucred *ret_peer, struct container *ret) {
	struct container container = {0};
	struct ucred peer;
	int r = read_peer(fd, &peer);
	if (r >= 0) {
		r = check_pidfd(pidfd, peer.pid);
	}
	if (r >= 0) {
		r = read_cgroup(peer.pid, pidfd, &container);
	}
	if (r >= 0) {
		*ret = container;
		*ret_peer = peer;
	}
	return r;
}
