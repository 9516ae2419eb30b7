#include "run/session_env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/rendernode.h"
#include "common/say.h"
#include "run/child.h"

static int say_folder(const struct session *session) {
	int r = -errno;
	say("Cannot make a directory for the command's sockets in '%s': %s; make room there",
		session->tempdir.path, strerror(-r));
	return r;
}

/* One that is there has to be the user's own; a script may have its reasons. */
static int export_runtime(struct session *session) {
	const char *runtime = environment_get(&session->env, "XDG_RUNTIME_DIR");
	struct stat st;
	if (runtime && stat(runtime, &st) == 0 && S_ISDIR(st.st_mode) &&
		(session->is_anybody || session->uid == geteuid() || st.st_uid == session->uid)) {
		return 0;
	}
	AUTO_FREE char *path =
		tempdir_make_home(&session->tempdir, "runtime", session->uid, session->is_anybody);
	if (!path) {
		return say_folder(session);
	}
	environment_set(&session->env, "XDG_RUNTIME_DIR", "%s", path);
	return 0;
}

/*
 * Without 3D wlroots falls back to pixman by itself, but from 0.16 on not where sysfs has a render
 * node, as every virtio-gpu has. wayfire makes a GLES2 renderer in any case, and needs to be
 * allowed llvmpipe. The user's own choice stands.
 */
static void export_renderer(struct environment *env, const char *card) {
	char node[RENDERNODE_SIZE];
	if (environment_get(env, "WLR_RENDERER") || environment_get(env, "WLR_RENDER_DRM_DEVICE") ||
		environment_get(env, "WLR_RENDERER_ALLOW_SOFTWARE") ||
		rendernode_find(card, node) < 0 || rendernode_renders(node) > 0) {
		return;
	}
	environment_set(env, "WLR_RENDERER", "pixman");
	environment_set(env, "WLR_RENDERER_ALLOW_SOFTWARE", "1");
}

static void export_seat(struct session *session, const char *id) {
	struct environment *env = &session->env;
	const char *folder = session->tempdir.path;
	const char *card = session->grant.device;

	environment_set(env, "XDG_SEAT", SESSION_SEAT_NAME);
	environment_set(env, "XDG_SESSION_TYPE", session->program->speaks_x11 ? "x11" : "wayland");
	if (session->seats & SEAT_LOGIND) {
		environment_set(env, "DBUS_SYSTEM_BUS_ADDRESS", "unix:path=%s/bus", folder);
		environment_set(env, "XDG_SESSION_ID", "%s", id);
		environment_set(env, "XDG_SESSION_CLASS", "user");
		environment_set(env, "LIBSEAT_BACKEND", "logind");
		environment_set(env, "KWIN_DRM_DEVICES", "%s", card);
	}
	if (session->seats & SEAT_SEATD) {
		environment_set(env, "SEATD_SOCK", "%s/seatd", folder);
		environment_set(env, "LIBSEAT_BACKEND", "seatd");
	}
	if (session->seats & (SEAT_LOGIND | SEAT_SEATD)) {
		environment_set(env, "WLR_DRM_DEVICES", "%s", card);
		export_renderer(env, card);
		if (!session->options->inputs[0]) {
			environment_set(env, "WLR_LIBINPUT_NO_DEVICES", "1");
		}
	}
}

/* Puts it before what is there; a second time changes nothing. */
static void export_library(struct environment *env, const char *library) {
	const char *old = environment_get(env, "LD_PRELOAD");
	AUTO_FREE char *rest = strdup(old ? old : "");
	if (old && strncmp(old, library, strlen(library)) == 0) {
		return;
	}
	environment_set(env, "LD_PRELOAD", "%s%s%s", library, old ? ":" : "", rest ? rest : "");
}

int session_env_set_size(struct session *session) {
	struct environment *env = &session->env;
	const struct scanout_grant *grant = &session->grant;
	environment_unset(env, "SCANOUT_SIZE");
	if (session->library && session_is_unsized(session)) {
		environment_set(env, "SCANOUT_SIZE", "%ux%u", grant->width, grant->height);
		export_library(env, session->library);
	}
	return env->error;
}

/* The numbers under which desktop_start() hands descriptors over. */
static void export_fds(struct session *session) {
	static const char *const names[] = {"SCANOUT_LEASE_FD", "DRM_LEASE_FD",
		"SLINT_DRM_LEASE_FD", "WLR_DRM_LEASE_FD", "KWIN_DRM_LEASE_FD"};
	struct environment *env = &session->env;
	int fd = CHILD_FIRST_FD;

	if (session->seats & SEAT_WESTON) {
		environment_set(env, "WESTON_LAUNCHER_SOCK", "%d", fd++);
	}
	if (session->seats & (SEAT_FD | SEAT_PRELOAD)) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			environment_set(env, names[i], "%d", fd);
		}
		fd++;
	}
	/* An X server takes what is announced like this for a socket to listen on. */
	if ((session->seats & SEAT_FD) && !session->program->speaks_x11) {
		environment_set(env, "LISTEN_FDS", "1");
		environment_set(env, "LISTEN_FDNAMES", "drm-lease");
	}
	if (session->grant.spare_fd >= 0 && session->preload) {
		environment_set(env, "SCANOUT_SPARE_FD", "%d", fd);
	}
	if (session->preload) {
		export_library(env, session->preload);
	}
	if (session->files_folder) {
		environment_set(env, "SCANOUT_FILES", "%s", session->files_folder);
		export_library(env, session->library);
	}
}

/* sway makes its socket where it is told to, if nothing is there. */
static int export_sway(struct session *session) {
	if (session->program->sizing != SIZING_SWAY) {
		return 0;
	}
	AUTO_FREE char *home =
		tempdir_make_home(&session->tempdir, "sway", session->uid, session->is_anybody);
	if (!home || asprintf(&session->sway.path, "%s/ipc", home) < 0) {
		session->sway.path = NULL;
		return say_folder(session);
	}
	environment_set(&session->env, "SWAYSOCK", "%s", session->sway.path);
	return 0;
}

int session_env_fill(struct session *session, const char *id) {
	static const char *const stale[] = {"WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY",
		"XDG_VTNR", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"};
	struct environment *env = &session->env;

	for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++) {
		environment_unset(env, stale[i]);
	}
	environment_set(env, "SCANOUT_ID", "%s", session->grant.id);
	environment_set(env, "SCANOUT_INDEX", "%u", session->grant.index);
	environment_set(env, "SCANOUT_DEVICE", "%s", session->grant.device);
	int r = export_runtime(session);
	if (r >= 0) {
		r = export_sway(session);
	}
	if (session->seat) {
		export_seat(session, id);
	}
	export_fds(session);
	return r < 0 ? r : env->error;
}
