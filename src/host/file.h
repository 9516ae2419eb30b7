/* Where pictures go: a file, or "-" for stdout. */
#ifndef SCANOUT_HOST_FILE_H
#define SCANOUT_HOST_FILE_H

#include <stddef.h>

/* -ENOTTY: stdout is a terminal. Returns an fd that the caller closes. */
int file_open(const char *path);
/* All of it, however long the reader takes. */
int file_write(int fd, const void *data, size_t size);
/* What a failed file_open() or file_write() means, and what to do: a sentence. */
const char *file_explain(int error);

#endif
