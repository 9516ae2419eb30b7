/* Which container a process is in: by its cgroup, which the engine made. */
#ifndef SCANOUT_CONTAINER_H
#define SCANOUT_CONTAINER_H

#include <sys/socket.h>
#include <sys/types.h>

struct container {
	char engine[16]; // "docker", "podman", …; empty outside a container
	char id[129];    // the engine's name or id of it; empty outside a container
	char unit[129];  // systemd unit the process runs in; may be empty
};

/*
 * Reads the text of /proc/PID/cgroup. Pure. Knows docker, podman, containerd and CRI-O
 * (Kubernetes), systemd-nspawn and LXC, each with the systemd and the cgroupfs driver. Returns 0,
 * or -EBADMSG if the text does not say where the process runs: that is not the same as "in no
 * container".
 */
int container_parse(const char *text, struct container *ret);

/* Of a process. A negative errno if it is gone or cannot be named. */
int container_of_process(pid_t pid, struct container *ret);

/* Of who connected a unix socket, at the time when it did, and who that is. */
int container_of_peer(int fd, struct ucred *ret_peer, struct container *ret);

#endif
