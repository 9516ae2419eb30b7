/* The modes of an output, as the kernel lists them. Pure. */
#ifndef SCANOUTD_MODE_LIST_H
#define SCANOUTD_MODE_LIST_H

#include <xf86drmMode.h>

#include "daemon/kms/kms.h"

struct card_mode mode_list_convert(const drmModeModeInfo *mode);

/* The one that the output prefers: on a virtual GPU the size that the host gave it. Zeros: none. */
struct card_mode mode_list_preferred(const drmModeModeInfo *modes, int n);

/*
 * The one for an output that prefers none: of this size, else the largest that fits into it, else
 * the smallest that there is. Zeros without any mode.
 */
struct card_mode mode_list_usual(
	const drmModeModeInfo *modes, int n, const struct card_mode *wanted);

#endif
