#include "session.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/preload.h"
#include "common/say.h"
#include "common/socket.h"
#include "exports.h"
#include "output.h"
#include "sizing.h"

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
		.linger_usec = options->linger_usec,
		.spare = spare,
		.for_fd = -1,
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
static int take_lease(void *data, int client_fd) {
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

static int open_seat(struct session *session, const char *id) {
	sd_event *event = session->event;
	const struct grant *grant = &session->grant;
	struct seat_options options = {
		.session = id,
		.name = SESSION_SEAT_NAME,
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
		.seat = SESSION_SEAT_NAME,
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

static int check_preload(struct session *session) {
	if (!wants_spare(session)) {
		return 0;
	}
	const char *given = getenv("SCANOUT_PRELOAD");
	session->preload = given ? strdup(given) : preload_find();
	if (!session->preload && (session->seats & SEAT_PRELOAD)) {
		char places[2 * PATH_MAX];
		preload_places(places, sizeof(places));
		say("libscanout-preload.so is neither in %s; put it there or name it in "
		    "$SCANOUT_PRELOAD",
			places);
		return -ENOENT;
	}
	if (!session->preload && session->program->name) {
		say("Without libscanout-preload.so, %s needs a render node",
			session->program->name);
	}
	return 0;
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
		.event = event,
		.link = link,
		.grant = {.fd = -1, .spare_fd = -1},
	};
	session->program = program_find(options->command, &session->program_index);
	session->seats = options->seats ? options->seats : session->program->seats;

	int r = check_preload(session);
	if (r < 0 || (r = request(session, true, session->preload != NULL)) < 0) {
		return r;
	}
	snprintf(id, sizeof(id), "scanout%u", session->grant.index);
	if ((r = folder_create(&session->folder)) < 0) {
		say("Cannot make a folder below $XDG_RUNTIME_DIR or /tmp: %s; start the container "
		    "with --tmpfs /tmp",
			strerror(-r));
		return r;
	}
	if ((r = write_files(session, id)) < 0) {
		return r;
	}
	if ((session->seats & (SEAT_LOGIND | SEAT_SEATD | SEAT_WESTON)) &&
		(r = open_seat(session, id)) < 0) {
		return r;
	}
	environment_init(&session->env, environ);
	r = command_copy(&session->command, options->command);
	if (r < 0 || (r = exports_apply(session, id)) < 0 || (r = prepare_command(session)) < 0) {
		if (r == -ENOMEM) {
			say("Out of memory");
		}
		return r;
	}
	return 0;
}

void session_close(struct session *session) {
	sway_finish(&session->sway);
	weston_launch_destroy(session->weston);
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

void session_end(struct session *session) {
	if (session->login1) {
		bus_hang_up(session->login1->bus);
	}
	if (session->seatd) {
		seatd_hang_up(session->seatd);
	}
	weston_launch_destroy(TAKE_PTR(session->weston));
	if (session->seat) {
		seat_resume(session->seat);
	}
	/* One that nobody has asked for yet is kept for the next run. */
	if (session->grant.fd < 0) {
		link_release(session->link);
	}
}

void session_resize(struct session *session) {
	const struct link *link = session->link;
	if (session->options->width != 0) {
		return;
	}
	if (session->sway.path && sway_resize(&session->sway, session->event, output_name(link->id),
					  link->width, link->height) >= 0) {
		return;
	}
	if (session->seat) {
		(void)seat_blink(session->seat);
	}
}

/* A socket pair of its own for every run: what the last weston left unread is not for the next. */
static int renew_weston(struct session *session, int *ret_client_fd) {
	weston_launch_destroy(TAKE_PTR(session->weston));
	return session->seats & SEAT_WESTON ? weston_launch_create(&session->weston, session->event,
						      session->seat, ret_client_fd)
					    : 0;
}

/* From here on the lease lives as long as the command wants: no copy of it stays here. */
static void close_handed_on(struct session *session) {
	cleanup_close(&session->grant.spare_fd);
	session->grant.spare_fd = -1;
	if (session->seats & (SEAT_FD | SEAT_PRELOAD)) {
		cleanup_close(&session->grant.fd);
		session->grant.fd = -1;
	}
}

int session_start(struct session *session, struct child *child, const sigset_t *mask) {
	int fds[CHILD_MAX_FDS], n_fds = 0;
	AUTO_CLOSE int weston_fd = -1;
	int r = renew_weston(session, &weston_fd);
	if (r < 0) {
		return r;
	}
	if (session->grant.fd < 0) {
		r = request(session, false, session->preload != NULL);
		if (r < 0) {
			return r;
		}
	}
	sway_forget(&session->sway);
	if (weston_fd >= 0) {
		fds[n_fds++] = weston_fd;
	}
	if (session->seats & (SEAT_FD | SEAT_PRELOAD)) {
		fds[n_fds++] = session->grant.fd;
	}
	if (session->grant.spare_fd >= 0 && session->preload) {
		fds[n_fds++] = session->grant.spare_fd;
	}
	r = child_start(child, session->command.words, session->env.list, fds, n_fds, mask);
	if (r >= 0) {
		close_handed_on(session);
	}
	return r;
}
