/* The output of kms.h by atomic commits, as the compositors of today drive it. */
#ifndef GUEST_KMS_ATOMIC_H
#define GUEST_KMS_ATOMIC_H

#include "kms.h"

/*
 * From now on kms_set_crtc() and kms_flip() commit, the latter without blocking, and the cursor
 * plane has a picture too.
 *
 * Return: 0; -ENODEV if the kernel hides the cursor plane, as it does from atomic clients that do
 * not tell the hotspot of their cursor, where it wants that.
 */
int kms_atomic_enable(struct kms *kms);

/*
 * Shows a buffer. With DRM_MODE_ATOMIC_ALLOW_MODESET, the mode with it; with
 * DRM_MODE_PAGE_FLIP_EVENT, kms_wait_flip() tells when it is. fence_fd, or -1, is a sync file to
 * wait for before.
 */
int kms_atomic_commit(struct kms *kms, unsigned int buffer, uint32_t flags, int fence_fd);

#endif
