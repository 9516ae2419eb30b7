#include "daemon/kms/mode_list.h"

struct card_mode mode_list_convert(const drmModeModeInfo *mode) {
	uint64_t refresh =
		mode->htotal && mode->vtotal
			? (uint64_t)mode->clock * 1000000 / ((uint64_t)mode->htotal * mode->vtotal)
			: (uint64_t)mode->vrefresh * 1000;
	return (struct card_mode){mode->hdisplay, mode->vdisplay, (uint32_t)refresh};
}

struct card_mode mode_list_preferred(const drmModeModeInfo *modes, int n) {
	for (int i = 0; i < n; i++) {
		if (modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			return mode_list_convert(&modes[i]);
		}
	}
	return (struct card_mode){0};
}

/* Of two that fit the larger one, of two that do not the smaller one, and any that fits first. */
static bool is_better(
	const drmModeModeInfo *a, const drmModeModeInfo *b, const struct card_mode *wanted) {
	bool a_fits = a->hdisplay <= wanted->width && a->vdisplay <= wanted->height;
	bool b_fits = b->hdisplay <= wanted->width && b->vdisplay <= wanted->height;
	uint32_t a_area = (uint32_t)a->hdisplay * a->vdisplay;
	uint32_t b_area = (uint32_t)b->hdisplay * b->vdisplay;
	if (a_fits != b_fits) {
		return a_fits;
	}
	return a_fits ? a_area > b_area : a_area < b_area;
}

struct card_mode mode_list_usual(
	const drmModeModeInfo *modes, int n, const struct card_mode *wanted) {
	const drmModeModeInfo *best = NULL;
	for (int i = 0; i < n; i++) {
		/* Of equals the first, which is the fastest. */
		if (!(modes[i].flags & DRM_MODE_FLAG_INTERLACE) &&
			(!best || is_better(&modes[i], best, wanted))) {
			best = &modes[i];
		}
	}
	return best ? mode_list_convert(best) : (struct card_mode){0};
}
