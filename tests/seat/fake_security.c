/* A security module that forbids every connect(), and calls the process by $FAKE_LABEL. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size) {
	errno = EACCES;
	return -1;
}

EXPORT FILE *fopen(const char *path, const char *mode) {
	FILE *(*next)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");
	char *label = getenv("FAKE_LABEL");
	return label && strcmp(path, "/proc/self/attr/current") == 0
		       ? fmemopen(label, strlen(label), "r")
		       : next(path, mode);
}
