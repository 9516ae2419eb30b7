#ifndef GUEST_STRIP_H
#define GUEST_STRIP_H

#include <stdint.h>

/*
 * The part of a picture that a program can read: rows of black and white cells at a fixed place,
 * from which a capture is recognised without reading text.
 *
 * STRIP_ROWS rows of STRIP_COLUMNS cells, each STRIP_CELL pixels square, in a white frame of half
 * a cell. The top left cell begins at x = STRIP_MARGIN, y = height - STRIP_MARGIN - rows * cell.
 * Cells are read row by row, white is 1, the most significant bit first:
 *
 *	16 bits  magic 0x5CA7
 *	 8 bits  scanout index
 *	24 bits  frame counter, modulo 2^24
 *	32 bits  FNV-1a of the name
 *	16 bits  checksum: CRC-16/CCITT-FALSE of the ten bytes before
 *
 * tests/vm/picture.py reads it.
 */
#define STRIP_MAGIC 0x5CA7
#define STRIP_CELL 10
#define STRIP_COLUMNS 48
#define STRIP_ROWS 2
#define STRIP_MARGIN 48

#define STRIP_MIN_WIDTH (STRIP_COLUMNS * STRIP_CELL + 2 * STRIP_MARGIN)
#define STRIP_MIN_HEIGHT (STRIP_ROWS * STRIP_CELL + 2 * STRIP_MARGIN)

/* 32-bit FNV-1a. */
uint32_t strip_hash(const char *name);

/*
 * Draws the strip into an XRGB8888 picture; stride in bytes. Draws nothing when the picture is
 * smaller than STRIP_MIN_WIDTH x STRIP_MIN_HEIGHT.
 */
void strip_draw(uint32_t *pixels, uint32_t stride, uint32_t width, uint32_t height, uint32_t index,
	uint32_t frame, uint32_t hash);

#endif
