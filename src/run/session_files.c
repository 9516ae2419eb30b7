#include "run/session_files.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/preload.h"
#include "common/say.h"

/* As sd_booted(3) has it. What a living logind finds in its folders, it takes for its own. */
static bool has_systemd(void) {
	return access("/run/systemd/system", F_OK) == 0;
}

/* udevd knows the card, as in the VM itself. */
static bool udev_knows(dev_t devnum) {
	char path[64];
	snprintf(path, sizeof(path), "/run/udev/tags/seat/c%u:%u", major(devnum), minor(devnum));
	return access(path, F_OK) == 0;
}

static int say_systemd(const struct session *session) {
	char places[2 * PATH_MAX];
	preload_places(places, sizeof(places));
	say("/run/systemd belongs to the systemd that runs here, so '%s' finds its "
	    "session only through libscanout-preload.so, which is neither in %s; "
	    "put it there or name it in $SCANOUT_PRELOAD",
		session->options->command[0], places);
	return -ENOENT;
}

/* In our own folder, to which the library leads. */
static int write_apart(struct session *session, struct login_files_options *options, unsigned set) {
	session->files_folder = tempdir_make(&session->tempdir, "run");
	if (!session->files_folder) {
		return -ENOMEM;
	}
	options->run = session->files_folder;
	return login_files_write(&session->files, options, set);
}

static int write_login(struct session *session, struct login_files_options *options) {
	unsigned set = session->program->files;
	bool is_taken = has_systemd();
	int r = -EROFS;

	if (udev_knows(options->devnum)) {
		set &= ~(unsigned)LOGIN_FILES_UDEV;
	}
	if (set == 0) {
		return 0;
	}
	if (!is_taken && (r = login_files_write(&session->files, options, set)) >= 0) {
		return 0;
	}
	if (session->library) {
		r = write_apart(session, options, set);
	} else if (is_taken) {
		return say_systemd(session);
	}
	if (r < 0) {
		say("%s", session->files.problem);
	}
	return r;
}

int session_files_write(struct session *session, const char *id) {
	const struct scanout_grant *grant = &session->grant;
	const struct passwd *entry = getpwuid(session->uid);
	char number[16];
	snprintf(number, sizeof(number), "%u", (unsigned)session->uid);
	struct login_files_options options = {
		.run = "/run",
		.session = id,
		.seat = SESSION_SEAT_NAME,
		.user = entry ? entry->pw_name : number,
		.uid = session->uid,
		.devnum = makedev(grant->major, grant->minor),
	};

	int r = login_files_write_node(&session->files, grant->device, options.devnum);
	if (r < 0) {
		say("%s", session->files.problem);
	}
	if (session->seats & SEAT_LOGIND) {
		int q = write_login(session, &options);
		r = q < 0 ? q : r;
	}
	return session->program->needs_files ? r : 0;
}
