/* Finds the container of a process by its cgroup, which the engine made. */
#ifndef SCANOUT_CONTAINER_H
#define SCANOUT_CONTAINER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct container {
	char engine[16]; // "docker", "podman", …; empty outside a container
	char id[129];    // the engine's name or id of it; empty outside a container
	char unit[129];  // systemd unit the process runs in; may be empty
	char user[32]; // slice of the user who started it, "user-1000.slice"; empty if systemd did
	bool is_apart; // outside, but in namespaces of its own: maybe a container without a cgroup
};

/*
 * Parses the text of /proc/PID/cgroup. Pure. Knows docker, podman, containerd and CRI-O
 * (Kubernetes), systemd-nspawn and LXC, each with the systemd and the cgroupfs driver. Returns 0,
 * also outside containers, or -EBADMSG if the text does not show where the process runs.
 */
int container_parse(const char *text, struct container *ret);

/* Finds the container of a process. Negative errno if it has exited or cannot be identified. */
int container_of_process(pid_t pid, struct container *ret);

/* A pidfd of the process that connected a unix socket. Negative errno if it is gone. */
int container_peer_pidfd(int fd);
/*
 * Identifies the process that connected a unix socket, as of the connection, and its container.
 * `pidfd` is container_peer_pidfd() of the time when the connection was accepted: -ESRCH if that
 * process has exited, -EBADF if it is another one.
 */
int container_of_peer(int fd, int pidfd, struct ucred *ret_peer, struct container *ret);

#endif
