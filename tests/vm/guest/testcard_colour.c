#include "testcard_colour.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "strip.h"

#define GOLDEN_ANGLE 137.50776405

double colour_hue(const char *name) {
	const size_t length = strlen(name);
	size_t stem = length;
	AUTO_FREE char *prefix = NULL;
	unsigned long number;

	while (stem > 0 && name[stem - 1] >= '0' && name[stem - 1] <= '9') {
		stem--;
	}
	prefix = strndup(name, stem);
	if (prefix == NULL) {
		return 0;
	}
	number = strtoul(name + stem, NULL, 10);
	return fmod(strip_hash(prefix) % 360 + (double)number * GOLDEN_ANGLE, 360);
}

static double encode(double linear) {
	if (linear <= 0) {
		return 0;
	}
	if (linear >= 1) {
		return 1;
	}
	return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

/* The matrices are those of the Oklab colour space's definition (Björn Ottosson, 2020). */
struct colour colour_from_lch(double lightness, double chroma, double hue) {
	const double a = chroma * cos(hue * M_PI / 180), b = chroma * sin(hue * M_PI / 180);
	const double l = pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
	const double m = pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
	const double s = pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);

	return (struct colour){
		.red = encode(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
		.green = encode(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
		.blue = encode(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s),
	};
}
