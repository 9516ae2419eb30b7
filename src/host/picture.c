#include "host/picture.h"

#include <errno.h>
#include <libyuv.h>
#include <stdlib.h>
#include <string.h>

/* A tile is as high as an encoder's macroblock, and a multiple of it wide. */
#define TILE_HEIGHT 16
#define TILE_WIDTH 64

#define BLACK_LUMA 16
#define BLACK_CHROMA 128

static uint32_t round_up(uint32_t value, uint32_t to) {
	return (value + to - 1) / to * to;
}

static int shift(int plane) {
	return plane > 0;
}

int picture_resize(struct picture *picture, uint32_t width, uint32_t height) {
	struct picture new = {.width = width, .height = height};
	size_t stride = round_up(width, TILE_WIDTH), rows = round_up(height, TILE_HEIGHT);
	size_t luma = stride * rows;
	new.size = luma + luma / 2;
	/* After the picture a row of tiles: as much of each plane again. */
	new.memory = aligned_alloc(TILE_WIDTH, new.size + stride *TILE_HEIGHT * 2);
	if (!new.memory) {
		return -ENOMEM;
	}
	new.band = new.memory + new.size;
	for (int i = 0; i < 3; i++) {
		new.planes[i] = new.memory + (i == 0 ? 0 : luma + (size_t)(i - 1) * (luma / 4));
		new.strides[i] = (int)(stride >> shift(i));
	}
	memset(new.memory, BLACK_LUMA, luma);
	memset(new.memory + luma, BLACK_CHROMA, luma / 2);
	free(picture->memory);
	*picture = new;
	return 0;
}

void picture_finish(struct picture *picture) {
	free(picture->memory);
	*picture = (struct picture){0};
}

/* Grown to whole tiles, but not beyond the picture. */
static struct rect align(const struct picture *picture, const struct rect *damage) {
	uint32_t right = round_up(damage->x + damage->width, TILE_WIDTH);
	uint32_t bottom = round_up(damage->y + damage->height, TILE_HEIGHT);
	struct rect rect = {.x = damage->x / TILE_WIDTH * TILE_WIDTH,
		.y = damage->y / TILE_HEIGHT * TILE_HEIGHT};
	rect.width = (right < picture->width ? right : picture->width) - rect.x;
	rect.height = (bottom < picture->height ? bottom : picture->height) - rect.y;
	return rect;
}

/* Copies rows that differ; whether any did. */
static bool merge(uint8_t *to, int stride, const uint8_t *from, int from_stride, size_t width,
	uint32_t height) {
	bool is_changed = false;
	for (uint32_t y = 0; y < height; y++, to += stride, from += from_stride) {
		if (memcmp(to, from, width) != 0) {
			memcpy(to, from, width);
			is_changed = true;
		}
	}
	return is_changed;
}

/* One row of tiles: it is converted to where it is in the caches, and then compared, so that what
 * QEMU changes meanwhile is seen once or not at all. */
static bool read_band(struct picture *picture, const struct frame *frame, const struct rect *at) {
	uint8_t *band[3];
	bool is_changed = false;
	for (int i = 0; i < 3; i++) {
		size_t n_before = i == 0 ? 0 : (size_t)i + 1; // halves of the luma's size
		band[i] =
			picture->band + n_before * (size_t)picture->strides[0] * (TILE_HEIGHT / 2);
	}
	ARGBToI420(frame_row(frame, at->y) + (size_t)at->x * FRAME_PIXEL, (int)frame->stride,
		band[0], picture->strides[0], band[1], picture->strides[1], band[2],
		picture->strides[2], (int)at->width, (int)at->height);
	for (int i = 0; i < 3; i++) {
		uint32_t half = (uint32_t)shift(i);
		uint8_t *to = picture->planes[i] +
			      (size_t)(at->y >> half) * (size_t)picture->strides[i] +
			      (at->x >> half);
		is_changed |= merge(to, picture->strides[i], band[i], picture->strides[i],
			(at->width + half) >> half, (at->height + half) >> half);
	}
	return is_changed;
}

int picture_read(struct picture *picture, const struct frame *frame, const struct rect *damage,
	bool *ret_changed) {
	struct rect rect = *damage;
	bool is_changed = false;
	if (picture->width != frame->width || picture->height != frame->height) {
		int r = picture_resize(picture, frame->width, frame->height);
		if (r < 0) {
			return r;
		}
		picture->is_unknown = true;
	}
	if (picture->is_unknown) {
		rect = frame_whole(frame);
		is_changed = true;
	}
	struct rect all = align(picture, &rect);
	map_begin(frame->map);
	for (uint32_t y = 0; y < all.height; y += TILE_HEIGHT) {
		uint32_t left = all.height - y;
		struct rect band = {
			all.x, all.y + y, all.width, left < TILE_HEIGHT ? left : TILE_HEIGHT};
		is_changed |= read_band(picture, frame, &band);
	}
	int r = map_end(frame->map);
	picture->is_unknown = r < 0;
	if (r < 0) {
		return r;
	}
	*ret_changed = is_changed;
	return 0;
}

void picture_fit(struct picture *picture, const struct picture *from) {
	uint64_t wide = (uint64_t)from->width * picture->height;
	uint64_t high = (uint64_t)from->height * picture->width;
	uint32_t width = picture->width, height = picture->height;
	if (wide > high) {
		height = (uint32_t)(high / from->width);
	} else {
		width = (uint32_t)(wide / from->height);
	}
	width = width < 2 ? 2 : width & ~1U;
	height = height < 2 ? 2 : height & ~1U;
	uint32_t x = (picture->width - width) / 2 & ~1U, y = (picture->height - height) / 2 & ~1U;
	uint8_t *to[3];
	for (int i = 0; i < 3; i++) {
		size_t stride = (size_t)picture->strides[i];
		memset(picture->planes[i], i == 0 ? BLACK_LUMA : BLACK_CHROMA,
			stride * (round_up(picture->height, TILE_HEIGHT) >> shift(i)));
		to[i] = picture->planes[i] + (size_t)(y >> shift(i)) * stride + (x >> shift(i));
	}
	I420Scale(from->planes[0], from->strides[0], from->planes[1], from->strides[1],
		from->planes[2], from->strides[2], (int)from->width, (int)from->height, to[0],
		picture->strides[0], to[1], picture->strides[1], to[2], picture->strides[2],
		(int)width, (int)height, kFilterBox);
}
