/*
 * The login session's files where scanout-run cannot write to /run. Paths in /run/systemd and
 * /run/udev, as used by sd-login(3) and libudev, are redirected below $SCANOUT_FILES if the file
 * exists there.
 */
#ifndef SCANOUT_PRELOAD_SESSION_FILES_H
#define SCANOUT_PRELOAD_SESSION_FILES_H

#define SESSION_FILES_PATH 256

/* Returns the path itself, or a redirected one in the buffer. Keeps errno. */
const char *session_files_find(const char *path, char buffer[SESSION_FILES_PATH]);

#endif
