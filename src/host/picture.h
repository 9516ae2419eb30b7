/*
 * A picture of our own in I420, as encoders want it. Reading a frame is the one pass over QEMU's
 * memory, and finds out what has changed: a flip to the same picture is no change.
 */
#ifndef SCANOUT_HOST_PICTURE_H
#define SCANOUT_HOST_PICTURE_H

#include "host/frame.h"

struct picture {
	uint32_t width, height; // pixels, 0 before the first frame
	uint8_t *planes[3];     // in `memory`; rows and columns are padded to an even number
	int strides[3];
	uint8_t *memory;
	size_t size;     // of memory, bytes
	uint8_t *band;   // where one row of tiles is converted to
	bool is_unknown; // what it shows is nobody's picture; set by -EIO, cleared by a whole read
};

/* Black, of this size. A previous picture is freed on success. */
int picture_resize(struct picture *picture, uint32_t width, uint32_t height);
void picture_finish(struct picture *picture);

/*
 * Takes the size of the frame and what has changed in `damage`. ret_changed: whether any pixel
 * differs from before. -EIO: the frame's memory was cut short meanwhile.
 */
int picture_read(struct picture *picture, const struct frame *frame, const struct rect *damage,
	bool *ret_changed);
/* Draws a picture into one of another size, as large as it fits, in the middle. */
void picture_fit(struct picture *picture, const struct picture *from);

#endif
