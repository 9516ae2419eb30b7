#include "strip.h"

#include <stddef.h>

#define WHITE 0xFFFFFF
#define BLACK 0x000000

uint32_t strip_hash(const char *name) {
	uint32_t hash = 0x811C9DC5;

	for (const char *c = name; *c != '\0'; c++) {
		hash = (hash ^ (uint8_t)*c) * 0x01000193;
	}
	return hash;
}

static uint16_t crc16(const uint8_t *bytes, size_t n) {
	uint16_t crc = 0xFFFF;

	for (size_t i = 0; i < n; i++) {
		crc ^= (uint16_t)(bytes[i] << 8);
		for (int bit = 0; bit < 8; bit++) {
			crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
		}
	}
	return crc;
}

static void fill(uint32_t *pixels, uint32_t stride, uint32_t x, uint32_t y, uint32_t width,
	uint32_t height, uint32_t colour) {
	for (uint32_t row = y; row < y + height; row++) {
		uint32_t *line = pixels + (size_t)row * (stride / 4);

		for (uint32_t column = x; column < x + width; column++) {
			line[column] = colour;
		}
	}
}

void strip_draw(uint32_t *pixels, uint32_t stride, uint32_t width, uint32_t height, uint32_t index,
	uint32_t frame, uint32_t hash) {
	const uint32_t left = STRIP_MARGIN;
	const uint32_t top = height - STRIP_MARGIN - STRIP_ROWS * STRIP_CELL;
	const uint32_t border = STRIP_CELL / 2;
	uint8_t bytes[STRIP_ROWS * STRIP_COLUMNS / 8] = {
		STRIP_MAGIC >> 8,
		STRIP_MAGIC & 0xFF,
		(uint8_t)index,
		(uint8_t)(frame >> 16),
		(uint8_t)(frame >> 8),
		(uint8_t)frame,
		(uint8_t)(hash >> 24),
		(uint8_t)(hash >> 16),
		(uint8_t)(hash >> 8),
		(uint8_t)hash,
	};
	uint16_t crc = crc16(bytes, 10);

	if (width < STRIP_MIN_WIDTH || height < STRIP_MIN_HEIGHT) {
		return;
	}
	bytes[10] = (uint8_t)(crc >> 8);
	bytes[11] = (uint8_t)crc;

	fill(pixels, stride, left - border, top - border, STRIP_COLUMNS * STRIP_CELL + 2 * border,
		STRIP_ROWS * STRIP_CELL + 2 * border, WHITE);
	for (uint32_t cell = 0; cell < STRIP_ROWS * STRIP_COLUMNS; cell++) {
		if (bytes[cell / 8] & (0x80 >> cell % 8)) {
			continue;
		}
		fill(pixels, stride, left + cell % STRIP_COLUMNS * STRIP_CELL,
			top + cell / STRIP_COLUMNS * STRIP_CELL, STRIP_CELL, STRIP_CELL, BLACK);
	}
}
