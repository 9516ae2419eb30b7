/*
 * The few files that sd-login(3) and libudev read, written for one session in a container that
 * has neither logind nor udevd.
 */
#ifndef SCANOUT_SEAT_FILES_H
#define SCANOUT_SEAT_FILES_H

#include <sys/types.h>

enum {
	FILES_SESSION = 1 << 0, // systemd/sessions/ID: Mutter before 48, libseat's logind backend
	FILES_UDEV = 1 << 1,    // udev/data, udev/tags: Mutter
	FILES_USER = 1 << 2,    // systemd/users, systemd/seats: weston before 13 with logind
};

struct files_options {
	const char *run; // "/run", but for tests
	const char *session;
	const char *seat;
	const char *user; // name
	uid_t uid;
	dev_t devnum;
};

struct files {
	char *created[16]; // files and folders, in order
	unsigned n_created;
	char problem[512]; // why files_write() failed, and which mount would cure it
};

/*
 * Writes a set of files. One that udevd or logind has already put there is left as it is, except
 * for the session's own. On failure a sentence is in problem, and what was written stays until
 * files_remove().
 */
int files_write(struct files *files, const struct files_options *options, unsigned set);
/*
 * Makes a device node that nobody can open, where there is none: most programs only want to see
 * its number. Fails like files_write().
 */
int files_write_node(struct files *files, const char *path, dev_t devnum);
/* Removes what was created, and nothing else. */
void files_remove(struct files *files);

#endif
