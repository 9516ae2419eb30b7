/* A colour of its own for every name. */
#ifndef GUEST_TESTCARD_COLOUR_H
#define GUEST_TESTCARD_COLOUR_H

struct colour {
	double red, green, blue; // 0..1, sRGB
};

/*
 * The hue of a name in degrees: names that differ only in a number at their end are a golden angle
 * apart per step, so a row of desks is told apart at a glance.
 */
double colour_hue(const char *name);

/* A colour by perceived lightness (0..1), chroma (0..0.3) and hue: OKLCH, clipped to sRGB. */
struct colour colour_from_lch(double lightness, double chroma, double hue);

#endif
