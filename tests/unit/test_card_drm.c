/*
 * card_drm.c on a libdrm whose every call can fail: the linker puts the functions here in the
 * place of libdrm's (WRAP in the Makefile). What the kernel does is tested in tests/vm.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "card.h"
#include "support.h"

#define CONNECTOR 40u // and 41
#define ENCODER 30u
#define CRTC 20u
#define PLANE 10u
#define TYPE_PROPERTY 7u
#define FRAMEBUFFER 50u
#define ADOPTED 51u

static struct {
	unsigned n_calls, fail_at; // counted from 1; 0: none fails
	int error;                 // 0: a NULL for which nobody says why
	const char *failed;
	bool plane_shown, crtc_shown;
	bool plane_stays, crtc_stays; // after what should have switched it off
} drm;

/* Whether the call that begins here fails. */
static bool fails(const char *function) {
	if (++drm.n_calls != drm.fail_at) {
		return false;
	}
	drm.failed = function;
	errno = drm.error;
	return true;
}

static void *numbers(size_t n, uint32_t first) {
	uint32_t *list = calloc(n, sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		list[i] = first + (uint32_t)i;
	}
	return list;
}

/* libdrm frees with free(), so its own drmModeFree…() work on what is made here. */
#define NEW(type, ...)                                 \
	({                                             \
		type *new_ = calloc(1, sizeof(*new_)); \
		*new_ = (type){__VA_ARGS__};           \
		new_;                                  \
	})

#define WRAP(result, name, ...)            \
	result __wrap_##name(__VA_ARGS__); \
	result __wrap_##name(__VA_ARGS__)

WRAP(drmModeResPtr, drmModeGetResources, int fd) {
	return fails("drmModeGetResources")
		       ? NULL
		       : NEW(drmModeRes, .count_connectors = 2, .connectors = numbers(2, CONNECTOR),
				 .count_crtcs = 2, .crtcs = numbers(2, CRTC));
}

WRAP(drmModePlaneResPtr, drmModeGetPlaneResources, int fd) {
	return fails("drmModeGetPlaneResources")
		       ? NULL
		       : NEW(drmModePlaneRes, .count_planes = 2, .planes = numbers(2, PLANE));
}

WRAP(drmModeConnectorPtr, drmModeGetConnector, int fd, uint32_t id) {
	if (fails("drmModeGetConnector")) {
		return NULL;
	}
	drmModeModeInfo *mode = NEW(drmModeModeInfo, .hdisplay = 640, .vdisplay = 480);
	return NEW(drmModeConnector, .connector_id = id, .connector_type_id = id - CONNECTOR + 1,
		.connector_type = DRM_MODE_CONNECTOR_VIRTUAL, .connection = DRM_MODE_CONNECTED,
		.count_encoders = 1, .encoders = numbers(1, ENCODER + id - CONNECTOR),
		.count_modes = 1, .modes = mode);
}

WRAP(drmModeEncoderPtr, drmModeGetEncoder, int fd, uint32_t id) {
	return fails("drmModeGetEncoder") ? NULL
					  : NEW(drmModeEncoder, .encoder_id = id,
						    .possible_crtcs = 1u << (id - ENCODER));
}

WRAP(drmModePlanePtr, drmModeGetPlane, int fd, uint32_t id) {
	return fails("drmModeGetPlane")
		       ? NULL
		       : NEW(drmModePlane, .plane_id = id, .possible_crtcs = 1u << (id - PLANE),
				 .fb_id = drm.plane_shown ? FRAMEBUFFER : 0);
}

WRAP(drmModeObjectPropertiesPtr, drmModeObjectGetProperties, int fd, uint32_t id, uint32_t type) {
	if (fails("drmModeObjectGetProperties")) {
		return NULL;
	}
	uint64_t *values = NEW(uint64_t, DRM_PLANE_TYPE_PRIMARY);
	return NEW(drmModeObjectProperties, .count_props = 1, .props = numbers(1, TYPE_PROPERTY),
		.prop_values = values);
}

WRAP(drmModePropertyPtr, drmModeGetProperty, int fd, uint32_t id) {
	return fails("drmModeGetProperty") ? NULL
					   : NEW(drmModePropertyRes, .prop_id = id, .name = "type");
}

WRAP(drmModeCrtcPtr, drmModeGetCrtc, int fd, uint32_t id) {
	if (fails("drmModeGetCrtc")) {
		return NULL;
	}
	return NEW(drmModeCrtc, .crtc_id = id, .buffer_id = drm.crtc_shown ? FRAMEBUFFER : 0,
		.mode_valid = drm.crtc_shown, .mode = {.hdisplay = 640, .vdisplay = 480});
}

WRAP(drmModeFB2Ptr, drmModeGetFB2, int fd, uint32_t id) {
	return fails("drmModeGetFB2")
		       ? NULL
		       : NEW(drmModeFB2, .fb_id = id, .width = 640, .height = 480, .handles = {3});
}

WRAP(int, drmModeAddFB2WithModifiers, int fd, uint32_t width, uint32_t height, uint32_t format,
	const uint32_t handles[4], const uint32_t pitches[4], const uint32_t offsets[4],
	const uint64_t modifiers[4], uint32_t *ret, uint32_t flags) {
	*ret = ADOPTED;
	return fails("drmModeAddFB2WithModifiers") ? -1 : 0;
}

WRAP(int, drmModeSetCrtc, int fd, uint32_t crtc, uint32_t framebuffer, uint32_t x, uint32_t y,
	uint32_t *connectors, int n, drmModeModeInfoPtr mode) {
	if (fails("drmModeSetCrtc")) {
		return -1;
	}
	drm.plane_shown &= drm.plane_stays;
	drm.crtc_shown &= drm.crtc_stays;
	return 0;
}

WRAP(int, drmModeSetPlane, int fd, uint32_t plane, uint32_t crtc, uint32_t framebuffer,
	uint32_t flags, int32_t x, int32_t y, uint32_t w, uint32_t h, uint32_t src_x,
	uint32_t src_y, uint32_t src_w, uint32_t src_h) {
	return fails("drmModeSetPlane") ? -1 : 0;
}

WRAP(int, drmModeRmFB, int fd, uint32_t framebuffer) {
	return fails("drmModeRmFB") ? -1 : 0;
}

WRAP(int, drmCloseBufferHandle, int fd, uint32_t handle) {
	return fails("drmCloseBufferHandle") ? -1 : 0;
}

WRAP(int, drmIsMaster, int fd) {
	return false;
}

WRAP(int, drmSetMaster, int fd) {
	return fails("drmSetMaster") ? -1 : 0;
}

WRAP(int, drmSetClientCap, int fd, uint64_t capability, uint64_t value) {
	assert_int_equal(capability, DRM_CLIENT_CAP_UNIVERSAL_PLANES);
	return fails("drmSetClientCap") ? -1 : 0;
}

/* These two return the errno, as libdrm's do. */
WRAP(int, drmModeCreateLease, int fd, const uint32_t *objects, int n, int flags, uint32_t *ret) {
	assert_int_equal(flags, O_CLOEXEC | O_NONBLOCK);
	*ret = 1;
	return fails("drmModeCreateLease") ? -drm.error : dup(fd);
}

WRAP(int, drmModeRevokeLease, int fd, uint32_t lessee) {
	return fails("drmModeRevokeLease") ? -drm.error : 0;
}

WRAP(drmModeLesseeListPtr, drmModeListLessees, int fd) {
	drmModeLesseeListRes *list = NULL;
	if (!fails("drmModeListLessees")) {
		list = calloc(1, sizeof(*list) + sizeof(uint32_t));
		list->count = 1;
		list->lessees[0] = 5;
	}
	return list;
}

static const struct card_objects objects = {
	.connector = CONNECTOR, .crtc = CRTC, .planes = {PLANE}, .n_planes = 1};

static int with_node(int fd) {
	int r = card_drm_ops.open("/dev/null", -1);
	if (r >= 0) {
		close(r);
	}
	return r;
}

static int with_seat(int fd) {
	return card_drm_ops.open("/dev/null", fd); // which stays the caller's
}

static int with_snapshot(int fd) {
	struct card_snapshot snapshot;
	int r = card_drm_ops.snapshot(fd, &snapshot);
	if (r >= 0) {
		assert_int_equal(snapshot.n_connectors, drm.failed ? 1 : 2); // one may be gone
		assert_int_equal(snapshot.n_planes, 2);
		assert_int_equal(snapshot.connectors[snapshot.n_connectors - 1].possible_crtcs,
			drm.failed ? snapshot.connectors[0].id - CONNECTOR + 1 : 2);
		assert_int_equal(snapshot.planes[1].type, CARD_PLANE_PRIMARY);
	}
	return r;
}

static int with_blank(int fd) {
	return card_drm_ops.blank(fd, &objects);
}

static int with_adopt(int fd) {
	uint32_t framebuffer = 9; // of an earlier one
	drm.plane_shown = drm.crtc_shown = true;
	int r = card_drm_ops.adopt(fd, &objects, &framebuffer);
	/* What is to be dropped later is the new one or, after a failure, still the old one. */
	assert_int_equal(framebuffer, r < 0 ? 9 : ADOPTED);
	return r;
}

static int with_drop(int fd) {
	return card_drm_ops.drop(fd, ADOPTED);
}

static int with_mode(int fd) {
	struct card_mode mode;
	return card_drm_ops.read_mode(fd, CRTC, &mode);
}

static int with_create(int fd) {
	uint32_t lessee;
	int r = card_drm_ops.create_lease(fd, &objects, &lessee);
	if (r >= 0) {
		close(r);
	}
	return r;
}

static int with_revoke(int fd) {
	return card_drm_ops.revoke_lease(fd, 5);
}

static int with_list(int fd) {
	uint32_t lessees[4];
	return card_drm_ops.list_lessees(fd, lessees, 4);
}

static const struct {
	const char *name;
	int (*run)(int fd);
} calls[] = {{"open", with_node}, {"open from the seat", with_seat}, {"snapshot", with_snapshot},
	{"blank", with_blank}, {"adopt", with_adopt}, {"drop", with_drop}, {"read_mode", with_mode},
	{"create_lease", with_create}, {"revoke_lease", with_revoke}, {"list_lessees", with_list}};

/* Lets the n-th libdrm call of one of `calls` fail. Returns false if there are not so many. */
static bool run_failing(size_t call, int fd, unsigned n, int error, int *ret) {
	memset(&drm, 0, sizeof(drm));
	drm.fail_at = n;
	drm.error = error;
	errno = 0;
	*ret = calls[call].run(fd);
	return drm.failed != NULL;
}

/* Giving back what is not needed any more: the file's end does that at last. */
static bool may_fail(const char *call) {
	return strcmp(drm.failed, "drmCloseBufferHandle") == 0 ||
	       (strcmp(drm.failed, "drmModeRmFB") == 0 && strcmp(call, "adopt") == 0) ||
	       (strcmp(drm.failed, "drmModeGetConnector") == 0 && drm.error == ENOENT);
}

static bool is_right(const char *call, int result) {
	if (strcmp(drm.failed, "drmModeGetResources") == 0 && drm.error == EINVAL &&
		strncmp(call, "open", 4) == 0) {
		return result == -ENXIO;
	}
	if (strcmp(drm.failed, "drmSetMaster") == 0 && drm.error == EACCES) {
		return result == -EBUSY;
	}
	return result == -drm.error;
}

static void every_function_fails_once(void **state) {
	static const int errors[] = {ENODEV, ENOENT, EINVAL, EACCES, EPERM, EBUSY, ENOMEM, ENOSPC,
		EMFILE, ENFILE, EIO, EINTR, ERANGE};
	int fd = dup(STDERR_FILENO), r;
	unsigned n_fds = count_fds(getpid()), n_tried = 0;
	for (size_t i = 0; i < N_ELEMENTS(calls); i++) {
		for (size_t e = 0; e < N_ELEMENTS(errors); e++) {
			for (unsigned n = 1; run_failing(i, fd, n, errors[e], &r); n++) {
				if (!may_fail(calls[i].name) && !is_right(calls[i].name, r)) {
					fail_msg("%s: %s fails with %s: %d", calls[i].name,
						drm.failed, strerror(errors[e]), r);
				}
				assert_int_equal(count_fds(getpid()), n_fds);
				n_tried++;
			}
			assert_true(r >= 0); // none fails: it works
		}
	}
	assert_true(n_tried > 300);
	close(fd);
}

/* libdrm returns NULL for some failures of its own: not all of them leave an errno. */
static void null_without_errno_is_no_success(void **state) {
	static const char *const returning_errno[] = {"create_lease", "revoke_lease"};
	int fd = dup(STDERR_FILENO), r;
	for (size_t i = 0; i < N_ELEMENTS(calls); i++) {
		if (strcmp(calls[i].name, returning_errno[0]) == 0 ||
			strcmp(calls[i].name, returning_errno[1]) == 0) {
			continue;
		}
		for (unsigned n = 1; run_failing(i, fd, n, 0, &r); n++) {
			if (!may_fail(calls[i].name) && r >= 0) {
				fail_msg("%s: %s fails, and that is taken for success",
					calls[i].name, drm.failed);
			}
		}
	}
	close(fd);
}

/* One that is gone is left out; one that cannot be read does not make the others look alone: who
 * is left out is taken for unplugged, and its desktop would end. */
static void a_failing_connector_is_not_unplugged(void **state) {
	struct card_snapshot snapshot = {.n_connectors = 9};
	for (int gone = 0; gone < 2; gone++) {
		memset(&drm, 0, sizeof(drm));
		drm.fail_at = 3; // after the lists of resources and planes
		drm.error = gone ? ENOENT : ENOMEM;
		int r = card_drm_ops.snapshot(STDERR_FILENO, &snapshot);
		assert_string_equal(drm.failed, "drmModeGetConnector");
		assert_int_equal(r, gone ? 0 : -ENOMEM);
		assert_int_equal(snapshot.n_connectors, gone ? 1 : 9);
	}
	assert_int_equal(snapshot.connectors[0].id, CONNECTOR + 1);
}

/* Switching off went well, but something is still there: that is looked at, and no success. */
static void a_picture_that_stays_is_not_blank(void **state) {
	for (int i = 0; i < 3; i++) {
		memset(&drm, 0, sizeof(drm));
		drm.plane_shown = drm.crtc_shown = true;
		drm.plane_stays = i == 1;
		drm.crtc_stays = i == 2;
		assert_int_equal(card_drm_ops.blank(STDERR_FILENO, &objects), i ? -EBUSY : 0);
	}
}

/* A card that is no KMS one is told from one that cannot be asked at this moment. */
static void what_has_no_outputs(void **state) {
	static const struct {
		int error, result;
	} cases[] = {{EOPNOTSUPP, -ENXIO}, {EINVAL, -ENXIO}, {ENOTTY, -ENXIO}, {ENOMEM, -ENOMEM},
		{ENODEV, -ENODEV}, {EACCES, -EACCES}};
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		memset(&drm, 0, sizeof(drm));
		drm.fail_at = 1;
		drm.error = cases[i].error;
		assert_int_equal(card_drm_ops.open("/dev/null", STDERR_FILENO), cases[i].result);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_fails_once),
		cmocka_unit_test(null_without_errno_is_no_success),
		cmocka_unit_test(a_failing_connector_is_not_unplugged),
		cmocka_unit_test(a_picture_that_stays_is_not_blank),
		cmocka_unit_test(what_has_no_outputs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
