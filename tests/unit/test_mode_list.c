/* Which of an output's modes is the one to have. */
#include "daemon/kms/mode_list.h"
#include "support.h"

#define PREFERRED .type = DRM_MODE_TYPE_DRIVER | DRM_MODE_TYPE_PREFERRED

/* As QEMU lists them for an output that the host has not sized, but for the interlaced one. */
static const drmModeModeInfo modes[] = {
	{.hdisplay = 5120, .vdisplay = 2160, .clock = 742500, .htotal = 6600, .vtotal = 2250},
	{.hdisplay = 1920, .vdisplay = 1200, .clock = 193250, .htotal = 2592, .vtotal = 1245},
	{.hdisplay = 1920, .vdisplay = 1080, .vrefresh = 120, .flags = DRM_MODE_FLAG_INTERLACE},
	{.hdisplay = 1920, .vdisplay = 1080, .clock = 148500, .htotal = 2200, .vtotal = 1125},
	{.hdisplay = 1920, .vdisplay = 1080, .clock = 148500, .htotal = 2640, .vtotal = 1125},
	{.hdisplay = 1600, .vdisplay = 1200, .vrefresh = 60},
	{.hdisplay = 1280, .vdisplay = 1024, .vrefresh = 60},
	{.hdisplay = 1360, .vdisplay = 768, .vrefresh = 60},
	{.hdisplay = 640, .vdisplay = 480, .clock = 25175, .htotal = 800, .vtotal = 525},
};

static void assert_usual(
	uint32_t wanted_width, uint32_t wanted_height, uint32_t width, uint32_t height) {
	struct card_mode wanted = {wanted_width, wanted_height, 0};
	struct card_mode mode = mode_list_usual(modes, N_ELEMENTS(modes), &wanted);
	assert_int_equal(mode.width, width);
	assert_int_equal(mode.height, height);
}

static void the_size_that_is_wanted(void **state) {
	struct card_mode wanted = {1920, 1080, 0};
	struct card_mode mode = mode_list_usual(modes, N_ELEMENTS(modes), &wanted);
	assert_int_equal(mode.height, 1080);
	assert_int_equal(mode.refresh, 60000); // the first of this size that is not interlaced
	assert_usual(640, 480, 640, 480);
	assert_usual(5120, 2160, 5120, 2160);
}

static void else_the_largest_that_fits(void **state) {
	assert_usual(1919, 1200, 1600, 1200);
	assert_usual(1400, 1050, 1280, 1024);
	assert_usual(1440, 900, 1360, 768);
	assert_usual(16384, 16384, 5120, 2160);
}

static void else_the_smallest(void **state) {
	assert_usual(1, 1, 640, 480);
	assert_usual(16384, 479, 640, 480);
}

static void without_any_mode(void **state) {
	struct card_mode wanted = {1920, 1080, 0};
	assert_int_equal(mode_list_usual(NULL, 0, &wanted).width, 0);
	assert_int_equal(mode_list_usual(&modes[2], 1, &wanted).width, 0);
	assert_int_equal(mode_list_preferred(NULL, 0).width, 0);
}

static void the_preferred_one(void **state) {
	static const drmModeModeInfo sized[] = {
		{.hdisplay = 5120, .vdisplay = 2160, .vrefresh = 50},
		{.hdisplay = 1366, .vdisplay = 768, .vrefresh = 75, PREFERRED},
		{.hdisplay = 640, .vdisplay = 480, .vrefresh = 60, PREFERRED},
	};
	struct card_mode mode = mode_list_preferred(sized, N_ELEMENTS(sized));
	assert_int_equal(mode.width, 1366);
	assert_int_equal(mode.refresh, 75000);
	assert_int_equal(mode_list_preferred(modes, N_ELEMENTS(modes)).width, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_size_that_is_wanted),
		cmocka_unit_test(else_the_largest_that_fits),
		cmocka_unit_test(else_the_smallest),
		cmocka_unit_test(without_any_mode),
		cmocka_unit_test(the_preferred_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
