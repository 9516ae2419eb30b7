#include "run/needs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rendernode.h"
#include "common/say.h"
#include "run/executable.h"

/* The file of the program itself, behind shells, wrappers and starters. */
static int find_program(const struct session *session, char path[PATH_MAX]) {
	const struct program *program = session->program;
	const char *name = session->options->command[0];
	if (program->starts) {
		name = program->starts;
	} else if (session->program_index >= 0) {
		name = session->options->command[session->program_index];
	} else if (program->name) {
		name = program->name;
	}
	return executable_find(name, path);
}

/* The kernel would say "Operation not permitted", or nothing at all. */
static int check_caps(const struct session *session, const char *path) {
	struct executable_caps caps = executable_read_caps(path);
	char names[256], options[512];
	if (caps.missing) {
		executable_name_caps(caps.missing, "", names, sizeof(names));
		executable_name_caps(caps.missing, "--cap-add ", options, sizeof(options));
		say("'%s' has a file capability that this container lacks, %s: start it with %s, "
		    "or type 'setcap -r %s' in the image",
			path, names, options, path);
		return -ENOEXEC;
	}
	if (caps.gained && session->preload && geteuid() != 0) {
		say("'%s' has file capabilities and therefore ignores "
		    "libscanout-preload.so: type 'setcap -r %s' in the image",
			path, path);
	}
	return 0;
}

/* From GNOME 49 on it starts nothing by itself. */
static void check_gnome_session(void) {
	static const char *const builtin[] = {"/usr/libexec/gnome-session-binary",
		"/usr/lib/gnome-session-binary", "/usr/lib/gnome-session/gnome-session-binary"};
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char manager[PATH_MAX];
	snprintf(manager, sizeof(manager), "%s/systemd/private", runtime ? runtime : "");
	for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
		if (access(builtin[i], F_OK) == 0) {
			return;
		}
	}
	if (access(manager, F_OK) < 0) {
		say("gnome-session of GNOME 49 and later needs systemd's user instance, "
		    "which does not run here; start 'dbus-run-session gnome-shell --wayland "
		    "--display-server --no-x11' instead");
	}
}

int needs_check_program(const struct session *session) {
	char path[PATH_MAX];
	if (find_program(session, path) < 0) {
		return 0; /* starting it will report that */
	}
	if (session->program->quirk == QUIRK_GNOME_SESSION) {
		check_gnome_session();
	}
	return check_caps(session, path);
}

/* Without the library it takes the largest mode of an output that nobody has sized. */
static void check_size(const struct session *session, const char *path) {
	if (session->library && !session->preload && session_is_unsized(session) &&
		geteuid() != 0 && executable_read_caps(path).gained) {
		say("'%s' has file capabilities, so its size cannot be set: set the size of "
		    "head %u on the host, or type 'setcap -r %s' in the image",
			path, session->grant.index, path);
	}
}

/* KWin 6 opens the card a second time for its buffers; 5 uses what it was given. */
static void check_kwin(const struct session *session, const char *path) {
	const char *card = session->grant.device;
	char group[48] = "";
	struct stat st;

	if (session->program->quirk != QUIRK_KWIN || !executable_contains(path, "libkwin.so.6") ||
		faccessat(AT_FDCWD, card, R_OK | W_OK, AT_EACCESS) == 0) {
		return;
	}
	const char *reason = strerror(errno);
	if (errno == EACCES && stat(card, &st) == 0 && st.st_gid != 0) {
		snprintf(group, sizeof(group), " --group-add %u", (unsigned)st.st_gid);
	}
	say("KWin 6 must open '%s', and cannot: %s; start the container with "
	    "--device %s%s",
		card, reason, card, group);
}

/* Programs draw in software then, and do not say why. */
static void check_render(const struct session *session) {
	char node[RENDERNODE_SIZE];
	struct stat st;
	if (rendernode_find(session->grant.device, node) == 0 && stat(node, &st) == 0 &&
		rendernode_renders(node) == -EACCES &&
		rendernode_may_render(session->grant.device)) {
		say("This user may not open '%s', so programs draw in software; start the "
		    "container with --group-add %u, or with podman without root with "
		    "--group-add keep-groups",
			node, (unsigned)st.st_gid);
	}
}

void needs_check_card(const struct session *session) {
	char path[PATH_MAX];
	check_render(session);
	if (find_program(session, path) == 0) {
		check_size(session, path);
		check_kwin(session, path);
	}
}
