#include "host/frame.h"

#include <errno.h>

/* The two that Linux's virtio-gpu makes of XRGB8888 and ARGB8888. */
#define PIXMAN_X8R8G8B8 0x20020888
#define PIXMAN_A8R8G8B8 0x20028888

static int refuse(int error, const char **ret_why, const char *why) {
	*ret_why = why;
	return error;
}

int frame_check(const struct frame_shape *shape, size_t *ret_size, const char **ret_why) {
	if (shape->format != PIXMAN_X8R8G8B8 && shape->format != PIXMAN_A8R8G8B8) {
		return refuse(-EPROTONOSUPPORT, ret_why, "the format of its pixels is not known");
	}
	if (shape->width == 0 || shape->height == 0) {
		return refuse(-EINVAL, ret_why, "it has no pixels");
	}
	if (shape->width > FRAME_MAX_SIDE || shape->height > FRAME_MAX_SIDE) {
		return refuse(-E2BIG, ret_why, "it is larger than any screen");
	}
	if (shape->stride < shape->width * FRAME_PIXEL ||
		shape->stride > 2 * FRAME_MAX_SIDE * FRAME_PIXEL) {
		return refuse(-EINVAL, ret_why, "the length of its rows is wrong");
	}
	*ret_size = (size_t)shape->offset + (size_t)shape->stride * (shape->height - 1) +
		    (size_t)shape->width * FRAME_PIXEL;
	return 0;
}

/* The part of start…start+length that is in 0…limit. */
static void clip(int64_t start, int64_t length, uint32_t limit, uint32_t *ret, uint32_t *ret_n) {
	int64_t end = start + length;
	start = start < 0 ? 0 : start > limit ? limit : start;
	end = end < start ? start : end > limit ? limit : end;
	*ret = (uint32_t)start;
	*ret_n = (uint32_t)(end - start);
}

struct rect frame_clip(const struct frame *frame, const int32_t area[4]) {
	struct rect rect;
	clip(area[0], area[2], frame->width, &rect.x, &rect.width);
	clip(area[1], area[3], frame->height, &rect.y, &rect.height);
	return rect;
}

struct rect frame_whole(const struct frame *frame) {
	return (struct rect){0, 0, frame->width, frame->height};
}

bool rect_is_empty(const struct rect *rect) {
	return rect->width == 0 || rect->height == 0;
}

static uint32_t smaller(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b) {
	return a > b ? a : b;
}

void rect_add(struct rect *rect, const struct rect *other) {
	if (rect_is_empty(rect)) {
		*rect = *other;
	} else if (!rect_is_empty(other)) {
		uint32_t right = larger(rect->x + rect->width, other->x + other->width);
		uint32_t bottom = larger(rect->y + rect->height, other->y + other->height);
		rect->x = smaller(rect->x, other->x);
		rect->y = smaller(rect->y, other->y);
		rect->width = right - rect->x;
		rect->height = bottom - rect->y;
	}
}
