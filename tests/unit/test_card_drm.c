/* card_drm.c on a libdrm whose every call can fail. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/model/card.h"
#include "fake_libdrm.h"
#include "support.h"

static const struct card_objects objects = {
	.connector = FAKE_CONNECTOR, .crtc = FAKE_CRTC, .planes = {FAKE_PLANE}, .n_planes = 1};

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

static const struct card_mode usual = {1920, 1080, 0};

static int with_snapshot(int fd) {
	struct card_snapshot snapshot;
	int r = card_drm_ops.snapshot(fd, &usual, &snapshot);
	if (r >= 0) {
		assert_int_equal(snapshot.n_connectors, fake_drm.failed ? 1 : 2); // one may be gone
		assert_int_equal(snapshot.n_planes, 2);
		assert_int_equal(snapshot.connectors[snapshot.n_connectors - 1].possible_crtcs,
			fake_drm.failed ? snapshot.connectors[0].id - FAKE_CONNECTOR + 1 : 2);
		assert_int_equal(snapshot.planes[1].type, CARD_PLANE_PRIMARY);
		assert_int_equal(snapshot.connectors[0].preferred.width, 0);
		assert_int_equal(snapshot.connectors[0].usual.width, 640);
	}
	return r;
}

static int with_blank(int fd) {
	return card_drm_ops.blank(fd, &objects);
}

static int with_adopt(int fd) {
	uint32_t framebuffer = 9; // of an earlier one
	fake_drm.plane_shown = fake_drm.crtc_shown = true;
	int r = card_drm_ops.adopt(fd, &objects, &framebuffer);
	/* What is to be dropped later is the new one or, after a failure, still the old one. */
	assert_int_equal(framebuffer, r < 0 ? 9 : FAKE_ADOPTED);
	return r;
}

static int with_drop(int fd) {
	return card_drm_ops.drop(fd, FAKE_ADOPTED);
}

static int with_mode(int fd) {
	struct card_mode mode;
	return card_drm_ops.read_mode(fd, FAKE_CRTC, &mode);
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
	memset(&fake_drm, 0, sizeof(fake_drm));
	fake_drm.fail_at = n;
	fake_drm.error = error;
	errno = 0;
	*ret = calls[call].run(fd);
	return fake_drm.failed != NULL;
}

/* Giving back what is not needed any more: the file's end does that at last. And waiting for other
 * commits with one lock: what comes then waits as well, with all. */
static bool may_fail(const char *call) {
	bool changes = strcmp(call, "blank") == 0 || strcmp(call, "adopt") == 0;
	return (changes && strcmp(fake_drm.failed, "drmModeGetProperty") == 0) ||
	       strcmp(fake_drm.failed, "drmModeObjectSetProperty") == 0 ||
	       strcmp(fake_drm.failed, "drmCloseBufferHandle") == 0 ||
	       (strcmp(fake_drm.failed, "drmModeRmFB") == 0 && strcmp(call, "adopt") == 0) ||
	       (strcmp(fake_drm.failed, "drmModeGetConnector") == 0 && fake_drm.error == ENOENT);
}

static bool is_right(const char *call, int result) {
	if (strcmp(fake_drm.failed, "drmModeGetResources") == 0 && fake_drm.error == EINVAL &&
		strncmp(call, "open", 4) == 0) {
		return result == -ENXIO;
	}
	if (strcmp(fake_drm.failed, "drmSetMaster") == 0 && fake_drm.error == EACCES) {
		return result == -EBUSY;
	}
	return result == -fake_drm.error;
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
						fake_drm.failed, strerror(errors[e]), r);
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
					calls[i].name, fake_drm.failed);
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
		memset(&fake_drm, 0, sizeof(fake_drm));
		fake_drm.fail_at = 3; // after the lists of resources and planes
		fake_drm.error = gone ? ENOENT : ENOMEM;
		int r = card_drm_ops.snapshot(STDERR_FILENO, &usual, &snapshot);
		assert_string_equal(fake_drm.failed, "drmModeGetConnector");
		assert_int_equal(r, gone ? 0 : -ENOMEM);
		assert_int_equal(snapshot.n_connectors, gone ? 1 : 9);
	}
	assert_int_equal(snapshot.connectors[0].id, FAKE_CONNECTOR + 1);
}

/* Switching off went well, but something is still there: that is looked at, and no success. */
static void a_picture_that_stays_is_not_blank(void **state) {
	for (int i = 0; i < 3; i++) {
		memset(&fake_drm, 0, sizeof(fake_drm));
		fake_drm.plane_shown = fake_drm.crtc_shown = true;
		fake_drm.plane_stays = i == 1;
		fake_drm.crtc_stays = i == 2;
		assert_int_equal(card_drm_ops.blank(STDERR_FILENO, &objects), i ? -EBUSY : 0);
	}
}

/* What takes every lock of the card comes after all commits that it would wait for. */
static void other_commits_are_awaited_first(void **state) {
	for (int adopts = 0; adopts < 2; adopts++) {
		memset(&fake_drm, 0, sizeof(fake_drm));
		assert_int_equal(adopts ? with_adopt(STDERR_FILENO) : with_blank(STDERR_FILENO), 0);
		assert_int_equal(fake_drm.awaited, 2);
		assert_false(fake_drm.hasty);
	}
}

/* A card that is no KMS one is told from one that cannot be asked at this moment. */
static void what_has_no_outputs(void **state) {
	static const struct {
		int error, result;
	} cases[] = {{EOPNOTSUPP, -ENXIO}, {EINVAL, -ENXIO}, {ENOTTY, -ENXIO}, {ENOMEM, -ENOMEM},
		{ENODEV, -ENODEV}, {EACCES, -EACCES}};
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		memset(&fake_drm, 0, sizeof(fake_drm));
		fake_drm.fail_at = 1;
		fake_drm.error = cases[i].error;
		assert_int_equal(card_drm_ops.open("/dev/null", STDERR_FILENO), cases[i].result);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_fails_once),
		cmocka_unit_test(null_without_errno_is_no_success),
		cmocka_unit_test(a_failing_connector_is_not_unplugged),
		cmocka_unit_test(a_picture_that_stays_is_not_blank),
		cmocka_unit_test(other_commits_are_awaited_first),
		cmocka_unit_test(what_has_no_outputs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
