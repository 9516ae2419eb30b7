/* Whether a process is in a namespace below ours, as in a container that has no cgroup of its own.
 */
#ifndef SCANOUT_NAMESPACE_H
#define SCANOUT_NAMESPACE_H

#include <sys/types.h>

/*
 * 1 if the process is in our pid and user namespaces, 0 if not, or a negative errno. Mount
 * namespaces do not count: many services of systemd's have their own. Needs no privilege, so a user
 * namespace of root's that maps each uid to itself is not seen.
 */
int namespace_is_ours(pid_t pid);

#endif
