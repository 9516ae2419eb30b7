/*
 * A libdrm whose every call can fail: the linker puts these functions in the place of libdrm's, in
 * test_card_drm.c alone (drm_functions in tests.mk). What the kernel does is tested in tests/vm.
 */
#ifndef FAKE_LIBDRM_H
#define FAKE_LIBDRM_H

#include <stdbool.h>

#define FAKE_CONNECTOR 40u // and 41
#define FAKE_CRTC 20u
#define FAKE_PLANE 10u
#define FAKE_ADOPTED 51u

struct fake_drm {
	unsigned n_calls, fail_at; // counted from 1; 0: none fails
	int error;                 // 0: a NULL for which nobody says why
	const char *failed;
	bool plane_shown, crtc_shown;
	bool plane_stays, crtc_stays; // after what should have switched it off
	unsigned awaited;             // commits that wait for others and change nothing
	bool hasty;                   // something was changed before there were two of them
};

extern struct fake_drm fake_drm;

#endif
