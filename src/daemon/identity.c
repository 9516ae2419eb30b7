#include "identity.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 // asm-generic/socket.h of Linux 6.5; Debian 12's headers are of 6.1
#endif

/* A dead dbus-daemon must not hold the event loop for sd-bus's default of 25 s. */
#define CREDENTIALS_TIMEOUT_USEC 2000000

bool identity_in_container(const struct identity *identity) {
	return identity->container[0] != '\0';
}

bool identity_same_holder(const struct identity *a, const struct identity *b) {
	return a->uid == b->uid && strcmp(a->container, b->container) == 0 &&
	       strcmp(a->engine, b->engine) == 0;
}

bool identity_same_quota(const struct identity *a, const struct identity *b) {
	if (identity_in_container(a) || identity_in_container(b)) {
		return strcmp(a->container, b->container) == 0 && strcmp(a->engine, b->engine) == 0;
	}
	return a->uid == b->uid;
}

const char *identity_describe(const struct identity *identity, char *buffer, size_t size) {
	if (identity_in_container(identity)) {
		snprintf(buffer, size, "%s container %.12s, uid %d, pid %d", identity->engine,
			identity->container, (int)identity->uid, (int)identity->pid);
	} else {
		snprintf(buffer, size, "uid %d, pid %d", (int)identity->uid, (int)identity->pid);
	}
	return buffer;
}

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
	const char *parent, const char *start, size_t length, struct identity *identity) {
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
		copy_span(identity->engine, sizeof(identity->engine), cgroup_names[i].engine,
			strlen(cgroup_names[i].engine));
		copy_span(identity->container, sizeof(identity->container), start + prefix,
			length - prefix - suffix);
		return true;
	}
	/* The cgroupfs driver names the cgroup by the bare id: /docker/ID, /kubepods/…/ID. */
	if (is_hex_id(start, length)) {
		const char *engine =
			parent && strncmp(parent, "docker/", 7) == 0 ? "docker" : "container";
		copy_span(identity->engine, sizeof(identity->engine), engine, strlen(engine));
		copy_span(identity->container, sizeof(identity->container), start, length);
		return true;
	}
	return false;
}

static bool ends_with(const char *start, size_t length, const char *suffix) {
	size_t n = strlen(suffix);
	return length > n && memcmp(start + length - n, suffix, n) == 0;
}

/*
 * The path of the process in systemd's hierarchy: the line "N:name=systemd:/path" where there is
 * version 1, else "0::/path". A path may contain anything but a newline, so the file is read line
 * by line and field by field: who may create cgroups must not be able to hide a container.
 */
static const char *find_path(const char *text) {
	const char *unified = NULL;
	for (const char *line = text; *line != '\0';) {
		size_t length = strcspn(line, "\n");
		size_t id = strcspn(line, ":\n");
		size_t controllers = line[id] == ':' ? strcspn(line + id + 1, ":\n") : 0;
		const char *second = line + id + 1 + controllers;
		if (line[id] == ':' && second[0] == ':' && second[1] == '/') {
			if (controllers == 12 && memcmp(line + id + 1, "name=systemd", 12) == 0) {
				return second + 1;
			}
			if (controllers == 0 && id == 1 && line[0] == '0') {
				unified = second + 1;
			}
		}
		line += length + (line[length] == '\n');
	}
	return unified;
}

int identity_parse_cgroup(const char *text, struct identity *identity) {
	identity->engine[0] = identity->container[0] = identity->unit[0] = '\0';

	const char *line = find_path(text);
	if (!line) {
		return -EBADMSG;
	}

	/* The outermost container is the one that the VM's engine started: what runs inside it
	 * may name its own cgroups as it likes. */
	const char *parent = NULL;
	size_t end = strcspn(line, "\n");
	for (const char *p = line; p < line + end;) {
		p += strspn(p, "/");
		size_t length = strcspn(p, "/\n");
		if (length == 0) {
			break;
		}
		if (ends_with(p, length, ".service") || ends_with(p, length, ".scope")) {
			copy_span(identity->unit, sizeof(identity->unit), p, length);
		}
		if (parse_component(parent, p, length, identity)) {
			return 0;
		}
		parent = p;
		p += length;
	}
	return 0;
}

static int read_cgroup(pid_t pid, int pidfd, struct identity *identity) {
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
	/* A zombie counts as dead: with cgroup v1 it reads as outside any container. */
	struct pollfd dead = {.fd = pidfd, .events = POLLIN};
	if (poll(&dead, 1, 0) != 0) {
		return -ESRCH;
	}
	text[n] = '\0';
	return identity_parse_cgroup(text, identity);
}

static int read_groups(sd_bus_message *reply, struct identity *identity) {
	const void *groups;
	size_t size;
	int r = sd_bus_message_enter_container(reply, 'v', "au");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_read_array(reply, 'u', &groups, &size);
	if (r < 0) {
		return r;
	}
	identity->n_groups = size / sizeof(uint32_t);
	if (identity->n_groups > IDENTITY_MAX_GROUPS) {
		identity->n_groups = IDENTITY_MAX_GROUPS;
	}
	memcpy(identity->groups, groups, identity->n_groups * sizeof(uint32_t));
	return sd_bus_message_exit_container(reply);
}

static int read_credentials(sd_bus_message *reply, struct identity *identity) {
	bool has_uid = false, has_pid = false;
	int r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	if (r < 0) {
		return r;
	}
	while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		const char *key;
		uint32_t value;
		r = sd_bus_message_read(reply, "s", &key);
		if (r < 0) {
			return r;
		}
		if (strcmp(key, "UnixUserID") == 0) {
			r = sd_bus_message_read(reply, "v", "u", &value);
			identity->uid = value;
			has_uid = true;
		} else if (strcmp(key, "ProcessID") == 0) {
			r = sd_bus_message_read(reply, "v", "u", &value);
			identity->pid = (pid_t)value;
			has_pid = true;
		} else if (strcmp(key, "UnixGroupIDs") == 0) {
			r = read_groups(reply, identity);
		} else {
			r = sd_bus_message_skip(reply, "v");
		}
		if (r < 0) {
			return r;
		}
		r = sd_bus_message_exit_container(reply);
		if (r < 0) {
			return r;
		}
	}
	if (r < 0) {
		return r;
	}
	return has_uid && has_pid ? 0 : -ENODATA;
}

int identity_of_sender(sd_bus_message *message, struct identity *ret) {
	AUTO_MESSAGE sd_bus_message *call = NULL, *reply = NULL;
	struct identity identity = {.uid = (uid_t)-1};
	sd_bus *bus = sd_bus_message_get_bus(message);
	const char *sender = sd_bus_message_get_sender(message);
	if (!sender) {
		return -ENODATA;
	}

	/* One call of our own instead of sd_bus_query_sender_creds(), which makes up to four. */
	int r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.DBus",
		"/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionCredentials");
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_append(call, "s", sender);
	if (r < 0) {
		return r;
	}
	r = sd_bus_call(bus, call, CREDENTIALS_TIMEOUT_USEC, NULL, &reply);
	if (r < 0) {
		return r;
	}
	r = read_credentials(reply, &identity);
	if (r < 0) {
		return r;
	}
	AUTO_CLOSE int pidfd = pidfd_open(identity.pid, 0);
	if (pidfd < 0) {
		return -errno;
	}
	r = read_cgroup(identity.pid, pidfd, &identity);
	if (r < 0) {
		return r;
	}
	*ret = identity;
	return 0;
}

int identity_of_socket(int fd, struct identity *ret) {
	struct identity identity = {.guest = true};
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) {
		return -errno;
	}
	/* 0: a process of a pid namespace that is not ours or below it. */
	if (credentials.pid <= 0) {
		return -ESRCH;
	}
	identity.uid = credentials.uid;
	identity.pid = credentials.pid;
	AUTO_CLOSE int pidfd = -1;
	size = sizeof(pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) {
		pidfd = pidfd_open(credentials.pid, 0); // before Linux 6.5
	}
	if (pidfd < 0) {
		return -errno;
	}
	int r = read_cgroup(identity.pid, pidfd, &identity);
	if (r < 0) {
		return r;
	}
	*ret = identity;
	return 0;
}
