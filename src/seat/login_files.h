/*
 * The few files that sd-login(3) and libudev read, written for one session in a container that
 * has neither logind nor udevd.
 */
#ifndef SCANOUT_SEAT_LOGIN_FILES_H
#define SCANOUT_SEAT_LOGIN_FILES_H

#include <sys/types.h>

enum {
	LOGIN_FILES_SESSION =
		1 << 0, // systemd/sessions/ID: Mutter before 48, libseat's logind backend
	LOGIN_FILES_UDEV = 1 << 1, // udev/data, udev/tags: Mutter
	LOGIN_FILES_USER = 1 << 2, // systemd/users, systemd/seats: weston before 13 with logind
};

struct login_files_options {
	const char *run; // "/run", but for tests
	const char *session;
	const char *seat;
	const char *user; // name
	uid_t uid;
	dev_t devnum;
};

struct login_files {
	char *created[16]; // files and folders, in order
	unsigned n_created;
	char problem[512]; // why login_files_write() failed, and which mount would help
};

/*
 * Writes a set of files. A file that udevd or logind has written stays as it is, except for that of
 * the session. On failure a sentence is in problem; files written so far stay until
 * login_files_remove().
 */
int login_files_write(
	struct login_files *files, const struct login_files_options *options, unsigned set);
/*
 * Makes a device node that nobody can open, if there is none: most programs only need its device
 * number. On failure a sentence is in problem.
 */
int login_files_write_node(struct login_files *files, const char *path, dev_t devnum);
/* Removes the files and directories that were created, and nothing else. */
void login_files_remove(struct login_files *files);

#endif
