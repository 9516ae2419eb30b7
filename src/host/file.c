#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int file_open(const char *path) {
	if (strcmp(path, "-") == 0) {
		int fd = isatty(STDOUT_FILENO) ? -ENOTTY : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd == -1 ? -errno : fd;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : fd;
}

int file_write(int fd, const void *data, size_t size) {
	const char *rest = data;
	while (size > 0) {
		ssize_t n = write(fd, rest, size);
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n > 0) {
			rest += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

const char *file_explain(int error) {
	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
		return "The disk is full. Make room and start again.";
	case -EFBIG:
		return "The file may not become larger. Raise the limit, or record for less long.";
	case -EPIPE:
		return "The reader has closed the pipe.";
	case -ENOTTY:
		return "A terminal shows no pictures. Name a file by -o, or use a pipe.";
	case -ENOENT:
		return "There is no such folder. Make it, or name another file.";
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return "You may not write there. Name another file.";
	case -EISDIR:
		return "That is a folder. Name a file in it.";
	default:
		return strerror(-error);
	}
}
