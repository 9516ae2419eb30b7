#include "session.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/socket.h"
#include "sizing.h"

#define SEAT_NAME "seat0"
/* A scanout that a compositor gave up a moment ago is still being blanked. */
#define RETAKE_USEC (5 * UINT64_C(1000000))

static bool wants_spare(const struct session *session) {
	bool on_seat = session->seats & (SEAT_LOGIND | SEAT_SEATD);
	return (session->program->needs_spare && on_seat) || (session->seats & SEAT_PRELOAD);
}

static int request(struct session *session, bool first, bool spare) {
	const struct options *options = session->options;
	struct wish wish = {
		.scanout = first ? options->scanout : session->link->id,
		.label = options->label,
		.width = options->width,
		.height = options->height,
		.timeout_usec = first ? options->timeout_usec : RETAKE_USEC,
		.spare = spare,
	};
	struct grant grant;
	int r = link_request(session->link, &wish, &grant);
	if (r < 0) {
		return r;
	}
	grant_finish(&session->grant);
	session->grant = grant;
	return 0;
}

/* The first client gets the lease that keeps the place, later ones a fresh one. */
static int take_lease(void *data) {
	struct session *session = data;
	if (session->grant.fd < 0) {
		int r = request(session, false, false);
		if (r < 0) {
			return r;
		}
	}
	if (makedev(session->grant.major, session->grant.minor) != session->seat->devnum) {
		grant_finish(&session->grant);
		link_release(session->link);
		return -ENODEV;
	}
	return TAKE_FD(session->grant.fd);
}

static void drop_lease(void *data) {
	struct session *session = data;
	link_release(session->link);
}

static void log_line(void *data, int priority, const char *text) {
	say("%s", text);
}

static const struct seat_lender lender = {
	.take_lease = take_lease,
	.drop_lease = drop_lease,
	.log = log_line,
};

static int listen_at(const struct folder *folder, const char *name) {
	AUTO_FREE char *path = folder_join(folder, name);
	return path ? socket_listen(path) : -ENOMEM;
}

static int serve_login1(struct session *session, sd_event *event) {
	AUTO_CLOSE int fd = listen_at(&session->folder, "bus");
	int r = fd;
	if (r < 0 || (r = login1_create(&session->login1, event, session->seat)) < 0 ||
		(r = bus_listen(session->login1->bus, fd)) < 0) {
		return r;
	}
	fd = -1;
	return 0;
}

static int serve_seatd(struct session *session, sd_event *event) {
	enum seatd_dialect dialect = session->options->knows_dialect
					     ? session->options->dialect
					     : program_seatd_dialect("/etc/os-release");
	AUTO_CLOSE int fd = listen_at(&session->folder, "seatd");
	int r = fd;
	if (r < 0 || (r = seatd_create(&session->seatd, event, session->seat, dialect)) < 0 ||
		(r = seatd_listen(session->seatd, fd)) < 0) {
		return r;
	}
	fd = -1;
	return 0;
}

static int open_seat(struct session *session, sd_event *event, const char *id) {
	const struct grant *grant = &session->grant;
	struct seat_options options = {
		.session = id,
		.name = SEAT_NAME,
		.card = grant->device,
		.devnum = makedev(grant->major, grant->minor),
		.inputs = session->options->inputs,
	};
	int r = seat_create(&session->seat, event, &options, &lender, session);
	if (r >= 0 && (session->seats & SEAT_LOGIND)) {
		r = serve_login1(session, event);
	}
	if (r >= 0 && (session->seats & SEAT_SEATD)) {
		r = serve_seatd(session, event);
	}
	if (r >= 0 && (session->seats & SEAT_WESTON)) {
		r = weston_launch_create(
			&session->weston, event, session->seat, &session->weston_fd);
	}
	if (r < 0) {
		say("Cannot provide a seat: %s", strerror(-r));
	}
	return r;
}

/* What is missing is told; it is fatal only for a program that is known to need it. */
static int write_files(struct session *session, const char *id) {
	const struct grant *grant = &session->grant;
	const char *user = getenv("USER");
	char number[16];
	snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	struct files_options options = {
		.run = "/run",
		.session = id,
		.seat = SEAT_NAME,
		.user = user && user[0] ? user : number,
		.uid = geteuid(),
		.devnum = makedev(grant->major, grant->minor),
	};

	int r = files_write_node(&session->files, grant->device, options.devnum);
	if (r < 0) {
		say("%s", session->files.problem);
	}
	if (session->seats & SEAT_LOGIND) {
		int q = files_write(&session->files, &options, session->program->files);
		if (q < 0) {
			say("%s", session->files.problem);
			r = q;
		}
	}
	return session->program->needs_files ? r : 0;
}

/* Beside scanout-run, as in a folder that is mounted into containers, or as installed. */
static char *find_preload(void) {
	static const char *const places[] = {".", "../lib/scanoutd", "../lib"};
	const char *given = getenv("SCANOUT_PRELOAD");
	char self[PATH_MAX], path[PATH_MAX + 64];

	if (given) {
		return strdup(given);
	}
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (size < 0) {
		return NULL;
	}
	self[size] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/libscanout-preload.so", self, places[i]);
		if (access(path, R_OK) == 0) {
			return realpath(path, NULL);
		}
	}
	return NULL;
}

static int check_preload(struct session *session) {
	if (!wants_spare(session)) {
		return 0;
	}
	session->preload = find_preload();
	if (!session->preload && (session->seats & SEAT_PRELOAD)) {
		say("libscanout-preload.so is neither beside scanout-run nor in ../lib/scanoutd; "
		    "put it there or name it in $SCANOUT_PRELOAD");
		return -ENOENT;
	}
	if (!session->preload && session->program->name) {
		say("Without libscanout-preload.so, %s needs a render node",
			session->program->name);
	}
	return 0;
}

static int export_runtime(struct session *session) {
	const char *runtime = environment_get(&session->env, "XDG_RUNTIME_DIR");
	struct stat st;
	if (runtime && stat(runtime, &st) == 0 && S_ISDIR(st.st_mode)) {
		return 0;
	}
	AUTO_FREE char *path = folder_make(&session->folder, "runtime");
	if (!path) {
		return -ENOMEM;
	}
	environment_set(&session->env, "XDG_RUNTIME_DIR", "%s", path);
	return 0;
}

static void export_seat(struct session *session, const char *id) {
	struct environment *env = &session->env;
	const char *folder = session->folder.path;
	const char *card = session->grant.device;

	environment_set(env, "XDG_SEAT", SEAT_NAME);
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
		if (!session->options->inputs[0]) {
			environment_set(env, "WLR_LIBINPUT_NO_DEVICES", "1");
		}
	}
}

/* The numbers under which session_start() hands descriptors over. */
static void export_fds(struct session *session) {
	static const char *const names[] = {"SCANOUT_LEASE_FD", "DRM_LEASE_FD",
		"SLINT_DRM_LEASE_FD", "WLR_DRM_LEASE_FD", "KWIN_DRM_LEASE_FD"};
	struct environment *env = &session->env;
	int fd = CHILD_FIRST_FD;

	if (session->weston) {
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
		const char *old = environment_get(env, "LD_PRELOAD");
		AUTO_FREE char *rest = strdup(old ? old : "");
		environment_set(env, "LD_PRELOAD", "%s%s%s", session->preload, old ? ":" : "",
			rest ? rest : "");
	}
}

static int export_all(struct session *session, const char *id) {
	static const char *const stale[] = {"WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY",
		"XDG_VTNR", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"};
	struct environment *env = &session->env;

	for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++) {
		environment_unset(env, stale[i]);
	}
	environment_set(env, "SCANOUT_ID", "%s", session->grant.id);
	environment_set(env, "SCANOUT_INDEX", "%u", session->grant.index);
	environment_set(env, "SCANOUT_DEVICE", "%s", session->grant.device);
	int r = export_runtime(session);
	if (session->seat) {
		export_seat(session, id);
	}
	export_fds(session);
	return r < 0 ? r : env->error;
}

static int prepare_command(struct session *session) {
	const struct options *options = session->options;
	struct sizing sizing = {
		.program = session->program,
		.program_index = session->program_index,
		.width = options->width,
		.height = options->height,
		.folder = &session->folder,
		.grant = &session->grant,
		.command = &session->command,
		.env = &session->env,
	};
	int r = options->width ? sizing_apply(&sizing) : 0;
	if (r < 0) {
		return r;
	}
	r = command_replace_fd(&session->command, CHILD_FIRST_FD);
	if (r > 0 && !(session->seats & SEAT_FD)) {
		say("@FD@ needs a descriptor to stand for; add --seat=fd");
		return -EINVAL;
	}
	return r < 0 ? r : 0;
}

int session_open(struct session *session, sd_event *event, const struct options *options,
	struct link *link) {
	char id[32];
	*session = (struct session){
		.options = options,
		.link = link,
		.grant = {.fd = -1, .spare_fd = -1},
		.weston_fd = -1,
	};
	session->program = program_find(options->command, &session->program_index);
	session->seats = options->seats ? options->seats : session->program->seats;

	int r = check_preload(session);
	if (r < 0 || (r = request(session, true, session->preload != NULL)) < 0) {
		return r;
	}
	snprintf(id, sizeof(id), "scanout%u", session->grant.index);
	if ((r = folder_create(&session->folder)) < 0) {
		say("Cannot make a folder below $XDG_RUNTIME_DIR or /tmp: %s", strerror(-r));
		return r;
	}
	if ((r = write_files(session, id)) < 0) {
		return r;
	}
	if ((session->seats & (SEAT_LOGIND | SEAT_SEATD | SEAT_WESTON)) &&
		(r = open_seat(session, event, id)) < 0) {
		return r;
	}
	environment_init(&session->env, environ);
	r = command_copy(&session->command, options->command);
	if (r < 0 || (r = export_all(session, id)) < 0 || (r = prepare_command(session)) < 0) {
		if (r == -ENOMEM) {
			say("Out of memory");
		}
		return r;
	}
	return 0;
}

void session_close(struct session *session) {
	weston_launch_destroy(session->weston);
	cleanup_close(&session->weston_fd);
	seatd_destroy(session->seatd);
	login1_destroy(session->login1);
	seat_destroy(session->seat);
	environment_finish(&session->env);
	command_finish(&session->command);
	files_remove(&session->files);
	folder_remove(&session->folder);
	grant_finish(&session->grant);
	free(session->preload);
}

int session_start(struct session *session, struct child *child, const sigset_t *mask) {
	int fds[CHILD_MAX_FDS], n_fds = 0;
	if (session->grant.fd < 0) {
		/* Of the last run something may have held on to the lease; its time is over. */
		link_release(session->link);
		int r = request(session, false, session->preload != NULL);
		if (r < 0) {
			return r;
		}
	}
	if (session->weston) {
		fds[n_fds++] = session->weston_fd;
	}
	if (session->seats & (SEAT_FD | SEAT_PRELOAD)) {
		fds[n_fds++] = session->grant.fd;
	}
	if (session->grant.spare_fd >= 0 && session->preload) {
		fds[n_fds++] = session->grant.spare_fd;
	}
	int r = child_start(child, session->command.words, session->env.list, fds, n_fds, mask);
	if (r < 0) {
		return r;
	}
	/* From here on the lease lives as long as the command wants: no copy stays here. */
	cleanup_close(&session->grant.spare_fd);
	session->grant.spare_fd = -1;
	if (session->seats & (SEAT_FD | SEAT_PRELOAD)) {
		cleanup_close(&session->grant.fd);
		session->grant.fd = -1;
	}
	return 0;
}
