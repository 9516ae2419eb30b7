/* The message of a seat in the VM to libscanout-preload.so, sent with a spare lease. */
#ifndef SCANOUT_COMMON_SPARE_H
#define SCANOUT_COMMON_SPARE_H

#include <stdint.h>

struct spare_message {
	/* The size to prefer on an output that the host has not sized; zeros if it has. */
	uint32_t width, height;
};

#endif
