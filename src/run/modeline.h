/* Timings for a mode that the output does not list, for programs that accept modelines. */
#ifndef SCANOUT_RUN_MODELINE_H
#define SCANOUT_RUN_MODELINE_H

#include <stddef.h>

/* Enough for any. */
#define MODELINE_SIZE 128

/*
 * "CLOCK HDISPLAY HSYNC_START HSYNC_END HTOTAL VDISPLAY … +hsync -vsync" of a size at 60 Hz, as
 * sway, weston and Xorg write it. The size is exact: a width that is no multiple of 8 is not
 * rounded.
 */
void modeline_print(unsigned width, unsigned height, char *ret, size_t size);

#endif
