/* What a connector of a card shows, and as which resource of the host, from the kernel. */
#ifndef SCANOUT_CTL_FRAMEBUFFER_H
#define SCANOUT_CTL_FRAMEBUFFER_H

#include <stdint.h>

struct framebuffer {
	uint32_t id; // the kernel's, of the card
	uint32_t width, height;
	uint32_t stride; // bytes from row to row
	char format[5];  // a fourcc code as text, such as "XR24"
	/* virtio-gpu's id of the memory, which QEMU and its traces use. A GEM handle is another
	 * number, of one open file, and means nothing to the host. */
	uint32_t resource;
	uint64_t size; // of the resource, bytes
};

/*
 * Reads what the connector of this name ("Virtual-1") shows; device is the card's node. Negative
 * errno: -EACCES (needs root), -ENXIO (no such connector), -ENODATA (shows nothing), -ENOTTY (not
 * a virtio-gpu), and what open(2) returns.
 */
int framebuffer_read(const char *device, const char *connector, struct framebuffer *ret);

#endif
