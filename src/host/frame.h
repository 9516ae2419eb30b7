/* A picture as QEMU has it: where in a map, and in which form. Plain data. */
#ifndef SCANOUT_HOST_FRAME_H
#define SCANOUT_HOST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/map.h"

#define FRAME_MAX_SIDE 16384 // pixels; virtio-gpu's own limit is half of that
#define FRAME_PIXEL 4        // bytes: blue, green, red, and one that means nothing

/* Empty if a side is 0. */
struct rect {
	uint32_t x, y, width, height;
};

struct frame {
	struct map *map; // a reference; NULL: there is no picture
	size_t offset;   // of the first pixel, bytes
	uint32_t width, height;
	uint32_t stride; // bytes from row to row
	uint64_t usec;   // when it came, CLOCK_MONOTONIC
};

/* What QEMU says of a picture. */
struct frame_shape {
	uint32_t offset, width, height, stride;
	uint32_t format; // pixman's
};

/*
 * How many bytes the map of such a picture needs. Else a negative errno, and in ret_why what is
 * wrong with it, a part of a sentence.
 */
int frame_check(const struct frame_shape *shape, size_t *ret_size, const char **ret_why);

/* The part of a rectangle that is on the frame; empty if none is. */
struct rect frame_clip(const struct frame *frame, const int32_t area[4]);
struct rect frame_whole(const struct frame *frame);
bool rect_is_empty(const struct rect *rect);
/* Makes a rectangle so large that it covers the other one too. */
void rect_add(struct rect *rect, const struct rect *other);

static inline const uint8_t *frame_row(const struct frame *frame, uint32_t y) {
	return frame->map->data + frame->offset + (size_t)y * frame->stride;
}

#endif
