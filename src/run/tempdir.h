/* A private directory for sockets and configuration, which scanout-run removes when it exits. */
#ifndef SCANOUT_RUN_TEMPDIR_H
#define SCANOUT_RUN_TEMPDIR_H

#include <stdbool.h>
#include <sys/types.h>

struct tempdir {
	char *path;     // NULL: none
	bool is_shared; // other users can open files in it if they know the names
};

/* Makes it below $XDG_RUNTIME_DIR if possible and not shared, else below /tmp. */
int tempdir_create(struct tempdir *dir, bool is_shared);
/* Removes it with all its contents. */
void tempdir_remove(struct tempdir *dir);

/* Returns a path in the directory, for the caller to free; NULL if there is no memory. */
char *tempdir_join(const struct tempdir *dir, const char *name);
/* Makes a directory in it and returns its path, for the caller to free; NULL on failure. */
char *tempdir_make(const struct tempdir *dir, const char *name);
/* Makes a directory in it that belongs to this user, or that everybody may write to. */
char *tempdir_make_home(const struct tempdir *dir, const char *name, uid_t uid, bool is_anybody);
/* Writes a file in it. */
int tempdir_write(const struct tempdir *dir, const char *name, const char *text);

#endif
