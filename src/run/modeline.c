#include "run/modeline.h"

#include <stdio.h>

/* VESA's CVT with reduced blanking, version 1, but for its steps of 8 pixels and 0.25 MHz. */
#define REFRESH_HZ 60.0
#define H_FRONT 48
#define H_SYNC 32
#define H_BLANK 160
#define V_FRONT 3
#define V_BACK_MIN 6
#define V_BLANK_MIN_USEC 460.0

/* The width of the vertical sync tells the shape of the picture. */
static unsigned v_sync(unsigned width, unsigned height) {
	static const struct {
		unsigned width, height, lines;
	} shapes[] = {{4, 3, 4}, {16, 9, 5}, {16, 10, 6}, {5, 4, 7}, {15, 9, 7}};
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (width * shapes[i].height == height * shapes[i].width) {
			return shapes[i].lines;
		}
	}
	return 10;
}

void modeline_print(unsigned width, unsigned height, char *ret, size_t size) {
	unsigned sync = v_sync(width, height);
	double line_usec = (1e6 / REFRESH_HZ - V_BLANK_MIN_USEC) / height;
	unsigned v_blank = (unsigned)(V_BLANK_MIN_USEC / line_usec) + 1;
	if (v_blank < V_FRONT + sync + V_BACK_MIN) {
		v_blank = V_FRONT + sync + V_BACK_MIN;
	}
	unsigned h_total = width + H_BLANK, v_total = height + v_blank;
	double clock = REFRESH_HZ * h_total * v_total / 1e6;
	snprintf(ret, size, "%.3f %u %u %u %u %u %u %u %u +hsync -vsync", clock, width,
		width + H_FRONT, width + H_FRONT + H_SYNC, h_total, height, height + V_FRONT,
		height + V_FRONT + sync, v_total);
}
