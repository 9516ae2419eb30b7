/* The picture: a card drawn once, and two small regions in it that change with every frame. */
#ifndef GUEST_TESTCARD_CARD_H
#define GUEST_TESTCARD_CARD_H

#include <cairo.h>
#include <stdint.h>

struct card_facts {
	const char *name;
	const char *scanout; // id
	uint32_t index;
	uint32_t lessee; // 0: not known
	uint32_t width;
	uint32_t height;
	uint32_t refresh_mhz;
	uint32_t connector_id;
	uint32_t crtc_id;
};

struct card_rect {
	int x, y, width, height;
};

struct card {
	struct card_facts facts; // the strings are the caller's
	uint32_t hash;
	double hue;
	double unit; // a hundredth of the height; less in pictures narrower than 16:9
	struct card_rect panel;
	struct card_rect counter;
	struct card_rect track;
	uint32_t panel_colour;
	uint32_t trail_colours[16]; // from the tail to the head of what moves along the track
	cairo_surface_t *digits;    // ten, side by side, each as large as counter / CARD_DIGITS
};

#define CARD_DIGITS 6

/* Lays the card out for that size. Return: 0, or -ENOMEM. */
int card_init(struct card *card, const struct card_facts *facts);

void card_finish(struct card *card);

/* Draws what never changes. */
void card_draw(const struct card *card, uint32_t *pixels, uint32_t stride);

/* Draws the moving parts of one frame over whatever frame was there. */
void card_draw_frame(const struct card *card, uint32_t *pixels, uint32_t stride, uint32_t frame);

#endif
