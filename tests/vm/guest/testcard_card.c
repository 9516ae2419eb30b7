#include "testcard_card.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "strip.h"
#include "testcard_colour.h"

#define FONT "DejaVu Sans"
#define MARGIN STRIP_MARGIN
#define FOOTER (MARGIN + STRIP_ROWS * STRIP_CELL) // from the lower edge to the strip's top
#define TRAIL (sizeof(((struct card *)0)->trail_colours) / sizeof(uint32_t))
#define TRACK_FRAMES 96 // once along the track

static uint32_t pack(struct colour c) {
	return (uint32_t)lround(c.red * 255) << 16 | (uint32_t)lround(c.green * 255) << 8 |
	       (uint32_t)lround(c.blue * 255);
}

static void set_colour(cairo_t *cr, struct colour c, double alpha) {
	cairo_set_source_rgba(cr, c.red, c.green, c.blue, alpha);
}

static void set_white(cairo_t *cr, double alpha) {
	cairo_set_source_rgba(cr, 1, 1, 1, alpha);
}

static void set_font(cairo_t *cr, double size, bool bold) {
	cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL,
		bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cr, size);
}

/* align: 0 begins at x, 0.5 is centred on it, 1 ends there. */
static void show_text(cairo_t *cr, double x, double baseline, double align, const char *text) {
	cairo_text_extents_t extents;

	cairo_text_extents(cr, text, &extents);
	cairo_move_to(
		cr, x - (align > 0 ? extents.x_advance * align : extents.x_bearing), baseline);
	cairo_show_text(cr, text);
}

/* Sets the font in the wanted size, or smaller if the text would be wider than width. */
static void fit_font(cairo_t *cr, double size, bool bold, const char *text, double width) {
	cairo_text_extents_t extents;

	set_font(cr, size, bold);
	cairo_text_extents(cr, text, &extents);
	if (extents.x_advance > width) {
		set_font(cr, size * width / extents.x_advance, bold);
	}
}

static void rounded(cairo_t *cr, const struct card_rect *r, double radius) {
	cairo_new_sub_path(cr);
	cairo_arc(cr, r->x + r->width - radius, r->y + radius, radius, -M_PI / 2, 0);
	cairo_arc(cr, r->x + r->width - radius, r->y + r->height - radius, radius, 0, M_PI / 2);
	cairo_arc(cr, r->x + radius, r->y + r->height - radius, radius, M_PI / 2, M_PI);
	cairo_arc(cr, r->x + radius, r->y + radius, radius, M_PI, 3 * M_PI / 2);
	cairo_close_path(cr);
}

static void draw_background(const struct card *card, cairo_t *cr) {
	const int width = (int)card->facts.width, height = (int)card->facts.height;
	const double step = 10 * card->unit, reach = hypot(width, height);
	const struct colour centre = colour_from_lch(0.47, 0.13, card->hue);
	const struct colour edge = colour_from_lch(0.22, 0.07, card->hue);
	cairo_pattern_t *glow = cairo_pattern_create_linear(0, 0, width, height);

	cairo_pattern_add_color_stop_rgb(glow, 0, centre.red, centre.green, centre.blue);
	cairo_pattern_add_color_stop_rgb(glow, 1, edge.red, edge.green, edge.blue);
	cairo_set_source(cr, glow);
	cairo_paint(cr);
	cairo_pattern_destroy(glow);

	/* A grid from the centre outwards: squares stay squares, or the mode is a lie. */
	cairo_set_line_width(cr, 1);
	set_white(cr, 0.07);
	for (double d = 0; d < reach; d += step) {
		for (int side = d > 0 ? -1 : 1; side <= 1; side += 2) {
			const double x = floor(width / 2.0 + side * d) + 0.5;
			const double y = floor(height / 2.0 + side * d) + 0.5;

			cairo_move_to(cr, x, 0);
			cairo_line_to(cr, x, height);
			cairo_move_to(cr, 0, y);
			cairo_line_to(cr, width, y);
		}
	}
	cairo_stroke(cr);
}

/* The outermost pixels in white, and brackets in the corners: a cropped capture shows. */
static void draw_edges(const struct card *card, cairo_t *cr) {
	const double width = card->facts.width, height = card->facts.height;
	const double inset = MARGIN / 3.0, arm = MARGIN;

	set_white(cr, 1);
	cairo_set_line_width(cr, 2);
	cairo_rectangle(cr, 1, 1, width - 2, height - 2);
	cairo_stroke(cr);

	cairo_set_line_width(cr, 4);
	for (int corner = 0; corner < 4; corner++) {
		const double x = corner & 1 ? width - inset : inset;
		const double y = corner & 2 ? height - inset : inset;

		cairo_move_to(cr, x + (corner & 1 ? -arm : arm), y);
		cairo_line_to(cr, x, y);
		cairo_line_to(cr, x, y + (corner & 2 ? -arm : arm));
	}
	cairo_stroke(cr);
}

/* The dial with the head's number. */
static void draw_dial(const struct card *card, cairo_t *cr, double x, double y, double radius) {
	const struct colour bright = colour_from_lch(0.80, 0.15, card->hue);
	const struct colour dark = colour_from_lch(0.20, 0.06, card->hue);
	char text[16];

	set_colour(cr, dark, 0.55);
	cairo_arc(cr, x, y, radius, 0, 2 * M_PI);
	cairo_fill(cr);
	set_white(cr, 0.85);
	cairo_set_line_width(cr, 0.35 * card->unit);
	cairo_arc(cr, x, y, radius, 0, 2 * M_PI);
	cairo_stroke(cr);
	for (int tick = 0; tick < 48; tick++) {
		const double angle = tick * M_PI / 24;
		const double inner = radius * (tick % 4 == 0 ? 0.84 : 0.90);

		cairo_move_to(cr, x + inner * cos(angle), y + inner * sin(angle));
		cairo_line_to(cr, x + radius * 0.96 * cos(angle), y + radius * 0.96 * sin(angle));
	}
	cairo_stroke(cr);
	set_colour(cr, bright, 1);
	cairo_arc(cr, x, y, radius * 0.76, 0, 2 * M_PI);
	cairo_fill(cr);

	set_colour(cr, dark, 1);
	set_font(cr, radius * 0.17, true);
	show_text(cr, x, y - radius * 0.42, 0.5, "HEAD");
	snprintf(text, sizeof(text), "%u", card->facts.index);
	fit_font(cr, radius * 0.95, true, text, radius * 1.3);
	show_text(cr, x, y + radius * 0.40, 0.5, text);
}

static void draw_texts(const struct card *card, cairo_t *cr, double y, double width) {
	const struct card_facts *facts = &card->facts;
	const struct colour bright = colour_from_lch(0.86, 0.12, card->hue);
	const double u = card->unit;
	char text[160];
	int n;

	set_colour(cr, bright, 1);
	set_font(cr, 3.4 * u, true);
	show_text(cr, MARGIN, y + 14 * u, 0, "CONTAINER");

	set_white(cr, 1);
	fit_font(cr, 27 * u, true, facts->name, width);
	show_text(cr, MARGIN, y + 39 * u, 0, facts->name);

	fit_font(cr, 8 * u, false, facts->scanout, width);
	show_text(cr, MARGIN, y + 52 * u, 0, facts->scanout);

	n = snprintf(text, sizeof(text), "%u × %u  %.2f Hz   connector %u   CRTC %u", facts->width,
		facts->height, facts->refresh_mhz / 1000.0, facts->connector_id, facts->crtc_id);
	if (facts->lessee != 0 && n > 0 && (size_t)n < sizeof(text)) {
		snprintf(text + n, sizeof(text) - (size_t)n, "   lessee %u", facts->lessee);
	}
	set_white(cr, 0.8);
	fit_font(cr, 3.2 * u, false, text, width);
	show_text(cr, MARGIN, y + 59 * u, 0, text);
}

/* The panel under the moving parts, in one flat colour: redrawing them is filling rectangles. */
static void draw_panel(const struct card *card, cairo_t *cr) {
	const struct card_rect *panel = &card->panel, *track = &card->track;
	const double u = card->unit, below = track->y + track->height;
	const uint32_t c = card->panel_colour;

	cairo_set_source_rgb(cr, (c >> 16) / 255.0, (c >> 8 & 0xFF) / 255.0, (c & 0xFF) / 255.0);
	rounded(cr, panel, 1.6 * u);
	cairo_fill(cr);

	set_white(cr, 0.6);
	set_font(cr, 2.4 * u, true);
	show_text(cr, card->counter.x, panel->y + 3.6 * u, 0, "FRAME");

	cairo_set_line_width(cr, 2);
	for (int tick = 0; tick <= 12; tick++) {
		const double x = floor(track->x + track->width * tick / 12.0);

		cairo_move_to(cr, x, below + u);
		cairo_line_to(cr, x, below + (tick % 3 == 0 ? 2.6 : 1.8) * u);
	}
	cairo_stroke(cr);
}

static void draw_bars(cairo_t *cr, const struct card_rect *r) {
	const uint32_t bars[] = {
		0x7, 0x6, 0x3, 0x2, 0x5, 0x4, 0x1, 0x0}; // RGB bits, falling luminance
	const int colours = 8, greys = 16, split = r->height * 3 / 4;

	for (int i = 0; i < colours; i++) {
		const int x = r->width * i / colours;

		cairo_set_source_rgb(cr, bars[i] >> 2 & 1, bars[i] >> 1 & 1, bars[i] & 1);
		cairo_rectangle(cr, r->x + x, r->y, r->width * (i + 1) / colours - x, split);
		cairo_fill(cr);
	}
	for (int i = 0; i < greys; i++) {
		const int x = r->width * i / greys;
		const double grey = (double)i / (greys - 1);

		cairo_set_source_rgb(cr, grey, grey, grey);
		cairo_rectangle(cr, r->x + x, r->y + split, r->width * (i + 1) / greys - x,
			r->height - split);
		cairo_fill(cr);
	}
}

static int render_digits(struct card *card, double size) {
	const int width = card->counter.width / CARD_DIGITS, height = card->counter.height;
	const uint32_t c = card->panel_colour;
	cairo_t *cr;

	card->digits = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 10 * width, height);
	cr = cairo_create(card->digits);
	cairo_set_source_rgb(cr, (c >> 16) / 255.0, (c >> 8 & 0xFF) / 255.0, (c & 0xFF) / 255.0);
	cairo_paint(cr);
	set_white(cr, 1);
	set_font(cr, size, true);
	for (int digit = 0; digit < 10; digit++) {
		const char text[2] = {(char)('0' + digit), '\0'};

		show_text(cr, width * (digit + 0.5), height * 0.88, 0.5, text);
	}
	cairo_surface_flush(card->digits);
	cairo_destroy(cr);
	return cairo_surface_status(card->digits) == CAIRO_STATUS_SUCCESS ? 0 : -ENOMEM;
}

int card_init(struct card *card, const struct card_facts *facts) {
	const double u = fmin(facts->height / 100.0, facts->width / 177.0);
	const int digit = (int)lround(6.2 * u);
	int r;

	*card = (struct card){
		.facts = *facts,
		.hash = strip_hash(facts->name),
		.hue = colour_hue(facts->name),
		.unit = u,
		.panel = {MARGIN, (int)(facts->height - FOOTER - 29.7 * u),
			(int)facts->width - 2 * MARGIN, (int)(15 * u)},
	};
	card->panel_colour = pack(colour_from_lch(0.17, 0.04, card->hue));
	for (size_t i = 0; i < TRAIL; i++) {
		const double part = pow((double)(i + 1) / TRAIL, 1.6);

		card->trail_colours[i] =
			pack(colour_from_lch(0.17 + 0.68 * part, 0.04 + 0.12 * part, card->hue));
	}
	card->counter = (struct card_rect){card->panel.x + (int)(2.4 * u),
		card->panel.y + (int)(4.6 * u), digit * CARD_DIGITS, (int)(8.6 * u)};
	card->track.x = card->counter.x + card->counter.width + (int)(5 * u);
	card->track.y = card->panel.y + (int)(3 * u);
	card->track.width = card->panel.x + card->panel.width - (int)(3 * u) - card->track.x;
	card->track.height = (int)(6.6 * u);
	r = render_digits(card, 9 * u);
	if (r < 0) {
		card_finish(card);
	}
	return r;
}

void card_finish(struct card *card) {
	cairo_surface_destroy(card->digits);
	card->digits = NULL;
}

void card_draw(const struct card *card, uint32_t *pixels, uint32_t stride) {
	const double u = card->unit, radius = 24 * u;
	const char *footer = "leased by scanoutd · virtio-gpu";
	const double top = (card->facts.height - 100 * u) / 2;
	const int width = (int)card->facts.width, height = (int)card->facts.height;
	const struct card_rect bars = {
		MARGIN, height - FOOTER - (int)(11.7 * u), width - 2 * MARGIN, (int)(9 * u)};
	cairo_surface_t *surface = cairo_image_surface_create_for_data(
		(unsigned char *)pixels, CAIRO_FORMAT_RGB24, width, height, (int)stride);
	cairo_t *cr = cairo_create(surface);

	draw_background(card, cr);
	draw_edges(card, cr);
	draw_dial(card, cr, width - MARGIN - radius, top + 34 * u, radius);
	draw_texts(card, cr, top, width - 2 * MARGIN - 2 * radius - 5 * u);
	draw_panel(card, cr);
	draw_bars(cr, &bars);
	set_white(cr, 0.8);
	fit_font(cr, 2.6 * u, false, footer, width - STRIP_MIN_WIDTH);
	show_text(cr, width - MARGIN, height - MARGIN - STRIP_CELL * STRIP_ROWS / 2.0 + 0.9 * u, 1,
		footer);
	cairo_destroy(cr);
	cairo_surface_flush(surface);
	cairo_surface_destroy(surface);
}

static void fill(uint32_t *pixels, uint32_t stride, const struct card_rect *r, uint32_t colour) {
	for (int y = r->y; y < r->y + r->height; y++) {
		uint32_t *line = pixels + (size_t)y * (stride / 4);

		for (int x = r->x; x < r->x + r->width; x++) {
			line[x] = colour;
		}
	}
}

static void draw_digit(
	const struct card *card, uint32_t *pixels, uint32_t stride, int place, unsigned int digit) {
	const struct card_rect *counter = &card->counter;
	const int width = counter->width / CARD_DIGITS;
	const unsigned char *glyphs = cairo_image_surface_get_data(card->digits);
	const int glyph_stride = cairo_image_surface_get_stride(card->digits);

	for (int y = 0; y < counter->height; y++) {
		memcpy(pixels + (size_t)(counter->y + y) * (stride / 4) + counter->x +
				place * width,
			glyphs + (size_t)y * (size_t)glyph_stride + digit * (size_t)width * 4,
			(size_t)width * 4);
	}
}

/* A block that runs along the track and wraps round, its trail behind it. */
static void draw_track(const struct card *card, uint32_t *pixels, uint32_t stride, uint32_t frame) {
	const struct card_rect *track = &card->track;
	const int block = track->width / 72;
	const int head = (int)(frame % TRACK_FRAMES) * (track->width - block) / (TRACK_FRAMES - 1);

	fill(pixels, stride, track, card->panel_colour);
	for (int i = 0; i < (int)TRAIL; i++) {
		const int left = head - ((int)TRAIL - 1 - i) * block;
		struct card_rect r = *track;

		r.width = left < 0 ? block + left : block;
		r.x += left < 0 ? 0 : left;
		fill(pixels, stride, &r, card->trail_colours[i]);
	}
}

void card_draw_frame(const struct card *card, uint32_t *pixels, uint32_t stride, uint32_t frame) {
	unsigned int rest = frame;

	for (int place = CARD_DIGITS - 1; place >= 0; place--) {
		draw_digit(card, pixels, stride, place, rest % 10);
		rest /= 10;
	}
	draw_track(card, pixels, stride, frame);
	strip_draw(pixels, stride, card->facts.width, card->facts.height, card->facts.index, frame,
		card->hash);
}
