#include "seat/login_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"

#define MAX_CREATED (sizeof(((struct login_files *)0)->created) / sizeof(char *))

static int set_problem(struct login_files *files, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Returns the error, for the caller's return statement. */
static int set_problem(struct login_files *files, int error, const char *format, ...) {
	va_list args;
	va_start(args, format);
	vsnprintf(files->problem, sizeof(files->problem), format, args);
	va_end(args);
	return error;
}

static int note_created(struct login_files *files, const char *path) {
	if (files->n_created >= MAX_CREATED) {
		return -ENOBUFS;
	}
	char *copy = strdup(path);
	if (!copy) {
		return -ENOMEM;
	}
	files->created[files->n_created++] = copy;
	return 0;
}

/* Makes the folders that lead to a path. */
static int make_parents(struct login_files *files, const char *path) {
	char parent[PATH_MAX];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (mkdir(parent, 0755) == 0) {
			int r = note_created(files, parent);
			if (r < 0) {
				return r;
			}
			continue;
		}
		int r = -errno;
		if (r != -EEXIST && access(parent, F_OK) < 0) {
			return r; /* why it cannot be made, not that it is missing */
		}
	}
	return 0;
}

/* docker leaves an empty folder where it was to mount a file that was not there. */
static int make_way(const char *path) {
	if (unlink(path) == 0 || errno == ENOENT || (errno == EISDIR && rmdir(path) == 0)) {
		return 0;
	}
	return -errno;
}

/* Returns 0 too if the file is there already and is not ours to replace. */
static int write_file(struct login_files *files, const char *path, const char *text, bool replace) {
	int r = make_parents(files, path);
	if (r < 0) {
		return r;
	}
	if (replace) {
		r = make_way(path);
		if (r < 0) {
			return r;
		}
	}
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) {
		return errno == EEXIST ? 0 : -errno;
	}
	r = note_created(files, path);
	if (r < 0) {
		unlink(path);
		return r;
	}
	ssize_t size = strlen(text);
	return write(fd, text, size) == size ? 0 : -EIO;
}

/* Writes below run/folder, which is also the mount to ask for when that fails. */
static int write_below(struct login_files *files, const char *run, const char *folder,
	const char *name, const char *text, bool replace) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s/%s", run, folder, name);
	int r = write_file(files, path, text, replace);
	if (r < 0) {
		return set_problem(files, r,
			"Cannot write '%s': %s; start the container with "
			"--tmpfs %s/%s:rw,mode=1777",
			path, strerror(-r), run, folder);
	}
	return 0;
}

static int write_session(struct login_files *files, const struct login_files_options *options) {
	char name[128], text[512];
	snprintf(name, sizeof(name), "sessions/%s", options->session);
	snprintf(text, sizeof(text),
		"UID=%u\nUSER=%s\nACTIVE=1\nIS_DISPLAY=1\nSTATE=active\nREMOTE=0\nTYPE=wayland\n"
		"CLASS=user\nSEAT=%s\n",
		(unsigned)options->uid, options->user, options->seat);
	return write_below(files, options->run, "systemd", name, text, true);
}

static int write_user(struct login_files *files, const struct login_files_options *options) {
	const char *session = options->session;
	char name[128], text[1024];

	snprintf(name, sizeof(name), "users/%u", (unsigned)options->uid);
	snprintf(text, sizeof(text),
		"NAME=%s\nSTATE=active\nDISPLAY=%s\nSESSIONS=%s\nACTIVE_SESSIONS=%s\n"
		"ONLINE_SESSIONS=%s\nSEATS=%s\nACTIVE_SEATS=%s\nONLINE_SEATS=%s\n",
		options->user, session, session, session, session, options->seat, options->seat,
		options->seat);
	int r = write_below(files, options->run, "systemd", name, text, false);
	if (r < 0) {
		return r;
	}

	snprintf(name, sizeof(name), "seats/%s", options->seat);
	snprintf(text, sizeof(text),
		"IS_SEAT0=%d\nCAN_MULTI_SESSION=0\nCAN_TTY=0\nCAN_GRAPHICAL=1\nACTIVE=%s\n"
		"ACTIVE_UID=%u\nSESSIONS=%s\nUIDS=%u\n",
		strcmp(options->seat, "seat0") == 0, session, (unsigned)options->uid, session,
		(unsigned)options->uid);
	return write_below(files, options->run, "systemd", name, text, false);
}

/* The database entry says that udev is done with the card; the tag is how Mutter finds it. */
static int write_udev(struct login_files *files, const struct login_files_options *options) {
	char name[64];
	snprintf(name, sizeof(name), "data/c%u:%u", major(options->devnum), minor(options->devnum));
	int r = write_below(files, options->run, "udev", name, "I:1\nG:seat\nQ:seat\nV:1\n", false);
	if (r < 0) {
		return r;
	}
	snprintf(name, sizeof(name), "tags/seat/c%u:%u", major(options->devnum),
		minor(options->devnum));
	return write_below(files, options->run, "udev", name, "", false);
}

int login_files_write(
	struct login_files *files, const struct login_files_options *options, unsigned set) {
	int r = 0;
	if (set & LOGIN_FILES_SESSION) {
		r = write_session(files, options);
	}
	if (r >= 0 && (set & LOGIN_FILES_UDEV)) {
		r = write_udev(files, options);
	}
	if (r >= 0 && (set & LOGIN_FILES_USER)) {
		r = write_user(files, options);
	}
	return r;
}

int login_files_write_node(struct login_files *files, const char *path, dev_t devnum) {
	struct stat st;
	if (stat(path, &st) == 0) {
		return S_ISCHR(st.st_mode) && st.st_rdev == devnum
			       ? 0
			       : set_problem(files, -EEXIST,
					 "'%s' is not device %u:%u; do not mount anything there",
					 path, major(devnum), minor(devnum));
	}

	int r = make_parents(files, path);
	if (r >= 0) {
		r = mknod(path, S_IFCHR, devnum) < 0 ? -errno : note_created(files, path);
	}
	if (r < 0) {
		return set_problem(files, r,
			"Cannot make '%s' for programs to see: %s; start the container with "
			"--device %s:%s:m",
			path, strerror(-r), path, path);
	}
	return 0;
}

void login_files_remove(struct login_files *files) {
	while (files->n_created > 0) {
		char *path = files->created[--files->n_created];
		(void)remove(path); /* a folder that others use by now stays */
		free(path);
	}
}
