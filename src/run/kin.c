#include "run/kin.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/number.h"

/* How often a line of descent may break while it is followed: one of it has ended meanwhile. */
#define MAX_BREAKS 8

struct process {
	pid_t parent;
	unsigned n_pids; // one, or more if it is in a pid namespace below ours
};

/* The numbers of a line such as "NSpid:\t17\t2": the first, and how many there are. */
static bool read_line(
	const char *line, const char *name, unsigned *ret_first, unsigned *ret_count) {
	size_t length = strlen(name);
	unsigned number, count = 0;
	if (strncmp(line, name, length) != 0) {
		return false;
	}
	line += length;
	while (*line++ == '\t' && number_take(&line, INT_MAX, &number)) {
		if (count++ == 0) {
			*ret_first = number;
		}
	}
	*ret_count = count;
	return count > 0;
}

static bool read_process(pid_t pid, struct process *ret) {
	char path[64], line[256];
	unsigned first, count;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	*ret = (struct process){.parent = -1};
	while (f && fgets(line, sizeof(line), f)) {
		if (read_line(line, "PPid:", &first, &count)) {
			ret->parent = (pid_t)first;
		} else if (read_line(line, "NSpid:", &first, &count)) {
			ret->n_pids = count;
		}
	}
	return ret->parent >= 0 && ret->n_pids > 0;
}

/* Orphans are children of this process, see run_init(). */
static bool is_descendant(pid_t pid) {
	struct process process;
	pid_t self = getpid();
	pid_t at = pid;
	for (int breaks = 0; at != self && breaks < MAX_BREAKS;) {
		if (!read_process(at, &process)) {
			at = pid;
			breaks++;
		} else if (process.parent <= 1 && process.parent != self) {
			return false;
		} else {
			at = process.parent;
		}
	}
	return at == self;
}

bool kin_connected(int fd) {
	struct ucred peer;
	struct process process;
	socklen_t size = sizeof(peer);

	/* 0: of a pid namespace that is not below ours, so of another container. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0) {
		return false;
	}
	bool is_same =
		peer.uid == geteuid() && (!read_process(peer.pid, &process) || process.n_pids == 1);
	return is_same || is_descendant(peer.pid);
}
