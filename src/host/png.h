/* A frame as PNG. */
#ifndef SCANOUT_HOST_PNG_H
#define SCANOUT_HOST_PNG_H

#include "host/frame.h"

/* The caller frees. -EIO: the memory of the picture was taken away meanwhile. */
int png_encode(const struct frame *frame, uint8_t **ret, size_t *ret_size);

#endif
