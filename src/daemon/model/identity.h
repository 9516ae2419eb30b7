/* Who asks, and holds a lease: a process, as the kernel knows it. */
#ifndef SCANOUTD_IDENTITY_H
#define SCANOUTD_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define IDENTITY_MAX_GROUPS 64

struct identity {
	uid_t uid;
	pid_t pid;
	bool guest;  // of a connection without a bus: never an admin
	bool apart;  // in no container that is known, but in namespaces of its own: never an admin
	bool agent;  // speaks over the agents' socket: may ask for the containers that it serves
	bool served; // an agent asked for it, and may give it back
	uid_t agent_uid; // … this one
	gid_t groups[IDENTITY_MAX_GROUPS];
	size_t n_groups;
	char engine[16];     // "docker", "podman", …; empty outside a container
	char container[129]; // the engine's name or id of it; empty outside a container
	char unit[129];      // systemd unit the process runs in; may be empty
};

/*
 * Reads the container from the cgroup of its process. Returns 0, or a negative errno if the process
 * is gone or its container cannot be named: then it must be refused.
 */
int identity_find_container(struct identity *identity);

/*
 * The process that connected a unix socket: a guest. The pidfd is of the time when the connection
 * was accepted; the kernel says whether it is of that process, and that lives, not who shows it.
 */
int identity_of_guest(int fd, int pidfd, struct identity *ret);
/* The same without a pidfd of earlier. */
int identity_of_socket(int fd, struct identity *ret);

/*
 * Who connected the socket that an agent shows us: the holder of what the agent asks for. The
 * kernel says who that is, not the agent. In its unit is the agent's.
 */
int identity_of_served(int fd, const struct identity *agent, struct identity *ret);

/* Whether both are the same holder: the same uid in the same container (or both in none, in the
 * VM's namespaces or apart). */
bool identity_same_holder(const struct identity *a, const struct identity *b);

/* Whether it is the holder, or the agent that asked for it. A user of the VM is also the holder of
 * what the same uid has apart from the VM, but not the other way round. */
bool identity_acts_for(const struct identity *identity, const struct identity *holder);

/* Whether both share a quota: a container as a whole, which may have any number of uids; outside
 * containers a uid. */
bool identity_same_quota(const struct identity *a, const struct identity *b);

bool identity_in_container(const struct identity *identity);

/* "podman container 0123456789ab, uid 0, pid 17" for log lines and messages. */
const char *identity_describe(const struct identity *identity, char *buffer, size_t size);

#endif
