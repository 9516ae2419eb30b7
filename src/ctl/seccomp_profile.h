/*
 * A seccomp profile of a container engine, changed so that no ioctl of its containers can read a
 * framebuffer by its id. Plain data.
 */
#ifndef SCANOUT_CTL_SECCOMP_PROFILE_H
#define SCANOUT_CTL_SECCOMP_PROFILE_H

#include <cjson/cJSON.h>

/*
 * Changes a profile in the form of the OCI engines (containers-common's seccomp.json). -EBADMSG: it
 * is none, or lets everything through that it does not name; -ENOENT: it has no rule that lets all
 * ioctls through; -ENOMEM. On failure it may be half changed.
 */
int seccomp_profile_close(cJSON *profile);

#endif
