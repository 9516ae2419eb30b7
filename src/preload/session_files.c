/* The checking inlines of the C library would stand in for what is defined here. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include "preload/session_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/next.h"

static const char run[] = "/run";

const char *session_files_find(const char *path, char buffer[SESSION_FILES_PATH]) {
	const char *root = getenv("SCANOUT_FILES");
	if (!root || !path ||
		(strncmp(path, "/run/systemd/", 13) != 0 && strncmp(path, "/run/udev/", 10) != 0)) {
		return path;
	}
	const char *rest = path + sizeof(run) - 1;
	size_t length = strlen(root);
	if (length + strlen(rest) >= SESSION_FILES_PATH) {
		return path;
	}
	memcpy(buffer, root, length);
	strcpy(buffer + length, rest);
	int saved = errno;
	bool is_there = NEXT(access)(buffer, F_OK) == 0;
	errno = saved;
	return is_there ? buffer : path;
}

EXPORT int access(const char *path, int mode) {
	char buffer[SESSION_FILES_PATH];
	return NEXT(access)(session_files_find(path, buffer), mode);
}

EXPORT FILE *fopen(const char *path, const char *mode) {
	char buffer[SESSION_FILES_PATH];
	return NEXT(fopen)(session_files_find(path, buffer), mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode) {
	char buffer[SESSION_FILES_PATH];
	return NEXT(fopen64)(session_files_find(path, buffer), mode);
}

EXPORT DIR *opendir(const char *path) {
	char buffer[SESSION_FILES_PATH];
	return NEXT(opendir)(session_files_find(path, buffer));
}
