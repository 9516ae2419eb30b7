#include "run/desktop.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/preload.h"
#include "common/say.h"
#include "run/idle.h"
#include "run/needs.h"
#include "run/output.h"
#include "run/session_env.h"
#include "run/session_files.h"
#include "run/session_seat.h"
#include "run/sizing.h"
#include "run/x11_folder.h"
#include "run/xorg.h"

static bool wants_spare(const struct session *session) {
	bool on_seat = session->seats & (SEAT_LOGIND | SEAT_SEATD);
	return (session->program->needs_spare && on_seat) || (session->seats & SEAT_PRELOAD);
}

static int check_preload(struct session *session) {
	const char *given = getenv("SCANOUT_PRELOAD");
	session->library = !given ? preload_find() : given[0] ? strdup(given) : NULL;
	if (!wants_spare(session)) {
		return 0;
	}
	session->preload = session->library ? strdup(session->library) : NULL;
	bool is_needed = session->seats & SEAT_PRELOAD;
	if (!session->preload && (is_needed || session->program->name)) {
		char places[2 * PATH_MAX];
		preload_places(places, sizeof(places));
		say("libscanout-preload.so is neither in %s; put it there or name it in "
		    "$SCANOUT_PRELOAD%s%s%s",
			places, is_needed ? "" : ", or give ",
			is_needed ? "" : session->program->name,
			is_needed ? "" : " a GPU that renders");
		return is_needed ? -ENOENT : 0;
	}
	return 0;
}

static int prepare_command(struct session *session) {
	const struct options *options = session->options;
	/* Without the library, through which it would be one that the output prefers. */
	bool is_usual = !session->library && session_is_unsized(session);
	int index = session->program_index, r = 0;
	if (session->program->speaks_x11 && index >= 0 && (session->seats & SEAT_FD)) {
		r = xorg_prepare(&session->command, &index, session->grant.index);
	}
	struct sizing sizing = {
		.program = session->program,
		.program_index = index,
		.width = is_usual ? session->grant.width : options->width,
		.height = is_usual ? session->grant.height : options->height,
		.tempdir = &session->tempdir,
		.grant = &session->grant,
		.command = &session->command,
		.env = &session->env,
	};
	if (r >= 0) {
		r = idle_apply(session->program, index, &session->command, &session->tempdir,
			&session->env);
	}
	if (r >= 0 && sizing.width) {
		r = sizing_apply(&sizing);
	}
	if (r < 0) {
		return r;
	}
	r = command_replace_fd(&session->command, CHILD_FIRST_FD);
	if (r > 0 && !(session->seats & SEAT_FD)) {
		say("@FD@ stands for an fd, which this seat does not have; add --seat=fd");
		return -EINVAL;
	}
	return r < 0 ? r : 0;
}

int desktop_open(struct session *session, sd_event *event, const struct options *options,
	struct scanout_client *client) {
	char id[32];
	session_init(session, event, options, client);

	int r = check_preload(session);
	if (r < 0 || (r = needs_check_program(session)) < 0 ||
		(r = session_request(session, true, session->preload != NULL)) < 0) {
		return r;
	}
	snprintf(id, sizeof(id), "scanout%u", session->grant.index);
	bool is_shared = session->is_anybody || session->uid != geteuid();
	if ((r = tempdir_create(&session->tempdir, is_shared)) < 0) {
		say("Cannot make a directory below $XDG_RUNTIME_DIR or /tmp: %s; start the "
		    "container with --tmpfs /tmp",
			strerror(-r));
		return r;
	}
	if ((r = session_files_write(session, id)) < 0) {
		return r;
	}
	needs_check_card(session);
	if (session->program->sizing == SIZING_MUTTER || session->program->quirk == QUIRK_KWIN) {
		x11_folder_make();
	}
	if ((session->seats & (SEAT_LOGIND | SEAT_SEATD | SEAT_WESTON)) &&
		(r = session_seat_open(session, id)) < 0) {
		return r;
	}
	environment_init(&session->env, environ);
	r = command_copy(&session->command, options->command);
	if (r < 0 || (r = session_env_fill(session, id)) < 0 ||
		(r = prepare_command(session)) < 0) {
		if (r == -ENOMEM) {
			say("Out of memory");
		}
		return r;
	}
	return 0;
}

void desktop_end(struct session *session) {
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
		scanout_client_release(session->client);
	}
}

/* Once: it is the same for each size, and for each pause. */
static void say_deaf(struct session *session) {
	const struct seatd *seatd = session->seatd;
	if (seatd && seatd->active && seatd->dialect == SEATD_DIALECT_UNKNOWN &&
		!session->said_deaf) {
		session->said_deaf = true;
		say("Cannot find out which libseat '%s' uses, so it is not notified of its "
		    "new size; add --libseat=0.9, or 0.7 for versions up to 0.8",
			session->command.words[0]);
	}
}

void desktop_resize(struct session *session) {
	const struct scanout_client *client = session->client;
	if (session->options->width != 0) {
		return;
	}
	if (session->sway.path &&
		sway_resize(&session->sway, session->event, output_name(client->id), client->width,
			client->height) >= 0) {
		return;
	}
	if (session->seat) {
		say_deaf(session);
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

int desktop_start(struct session *session, struct child *child, const sigset_t *mask) {
	int fds[CHILD_MAX_FDS], n_fds = 0;
	AUTO_CLOSE int weston_fd = -1;
	int r = renew_weston(session, &weston_fd);
	if (r < 0) {
		return r;
	}
	if (session->grant.fd < 0) {
		r = session_request(session, false, session->preload != NULL);
		if (r < 0) {
			return r;
		}
	}
	r = session_env_set_size(session);
	if (r < 0) {
		return r;
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
