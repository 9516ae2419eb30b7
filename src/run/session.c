#include "run/session.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "lib/lease_modes.h"

/* A scanout that a compositor gave up a moment ago is still being blanked. */
#define RETAKE_USEC (5 * UINT64_C(1000000))

void session_init(struct session *session, sd_event *event, const struct options *options,
	struct scanout_client *client) {
	*session = (struct session){
		.options = options,
		.event = event,
		.client = client,
		.grant = {.fd = -1, .spare_fd = -1},
	};
	struct user_switch switched;
	session->program = program_find(options->command, &session->program_index, &switched);
	session->is_anybody = !switch_find_user(&switched, session->program->name, &session->uid);
	session->seats = options->seats ? options->seats : session->program->seats;
}

void session_finish(struct session *session) {
	sway_finish(&session->sway);
	weston_launch_destroy(session->weston);
	seatd_destroy(session->seatd);
	login1_destroy(session->login1);
	seat_destroy(session->seat);
	environment_finish(&session->env);
	command_finish(&session->command);
	login_files_remove(&session->files);
	tempdir_remove(&session->tempdir);
	scanout_grant_finish(&session->grant);
	free(session->files_folder);
	free(session->preload);
	free(session->library);
}

bool session_is_unsized(const struct session *session) {
	const struct scanout_grant *grant = &session->grant;
	return session->options->width == 0 && grant->width != 0 &&
	       lease_modes_prefer_none(grant->fd, grant->connector);
}

int session_request(struct session *session, bool first, bool spare) {
	const struct options *options = session->options;
	struct scanout_request request = {
		.scanout = first ? options->scanout : session->client->id,
		.label = options->label,
		.width = options->width,
		.height = options->height,
		.timeout_usec = first ? options->timeout_usec : RETAKE_USEC,
		.linger_usec = options->linger_usec,
		.spare = spare,
		.for_fd = -1,
	};
	struct scanout_grant grant;
	int r = scanout_client_request(session->client, &request, &grant);
	if (r < 0) {
		return r;
	}
	scanout_grant_finish(&session->grant);
	session->grant = grant;
	return 0;
}
