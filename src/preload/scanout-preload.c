/*
 * For programs that know their card only by its path: open() of that path gives the lease that
 * was handed down, and the one ioctl that a lease cannot answer is answered by a spare lease.
 *
 *	SCANOUT_DEVICE    the path, /dev/dri/card0
 *	SCANOUT_LEASE_FD  descriptor of the lease; without it open() is left alone
 *	SCANOUT_SPARE_FD  descriptor of an empty lease, or
 *	SCANOUT_SPARE     path of a socket that gives one; without them ioctl() is left alone, and
 *	                  so is open() of a render node that cannot be opened
 *
 * Nothing is allocated, and nothing is kept but the addresses of libc's functions: every call
 * reads the environment anew, so there is no state that threads or forks could find half done.
 */
/* The checking inlines of the C library would stand in for what is defined here. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Looked up at most once per thread that gets here first; all of them find the same. */
#define NEXT(function)                                                                    \
	({                                                                                \
		static __typeof__(&function) next_;                                       \
		__typeof__(&function) found_ = __atomic_load_n(&next_, __ATOMIC_RELAXED); \
		if (!found_) {                                                            \
			found_ = (__typeof__(&function))dlsym(RTLD_NEXT, #function);      \
			__atomic_store_n(&next_, found_, __ATOMIC_RELAXED);               \
		}                                                                         \
		found_;                                                                   \
	})

/* The mode is an argument only with flags that create a file. */
#define READ_MODE(flags)                                                     \
	({                                                                   \
		mode_t mode_ = 0;                                            \
		if (((flags)&O_CREAT) || ((flags)&O_TMPFILE) == O_TMPFILE) { \
			va_list args_;                                       \
			va_start(args_, flags);                              \
			mode_ = va_arg(args_, mode_t);                       \
			va_end(args_);                                       \
		}                                                            \
		mode_;                                                       \
	})

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

/* A copy of the descriptor that the environment names, or -1. errno is left as it was. */
static int duplicate(const char *name, bool cloexec) {
	const char *text = getenv(name);
	int saved = errno;
	char *end;
	if (!text || text[0] == '\0') {
		return -1;
	}
	long number = strtol(text, &end, 10);
	int fd = *end == '\0' && number >= 0 && number <= 1 << 20
			 ? fcntl(number, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 3)
			 : -1;
	errno = saved;
	return fd;
}

/* The descriptor that comes with a byte, or -1. */
static int receive(int fd, bool cloexec) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec part = {.iov_base = &byte, .iov_len = sizeof(byte)};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int passed = -1;
	ssize_t size;
	do {
		size = recvmsg(fd, &message, cloexec ? MSG_CMSG_CLOEXEC : 0);
	} while (size < 0 && errno == EINTR);
	struct cmsghdr *header = size == 1 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
		memcpy(&passed, CMSG_DATA(header), sizeof(passed));
	}
	return passed;
}

/* An empty lease, or -1. errno is left as it was. */
static int find_spare(bool cloexec) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("SCANOUT_SPARE");
	int saved = errno;
	int spare = duplicate("SCANOUT_SPARE_FD", cloexec);
	if (spare >= 0 || !path || strlen(path) >= sizeof(address.sun_path)) {
		return spare;
	}
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			spare = receive(fd, cloexec);
		}
		close(fd);
	}
	errno = saved;
	return spare;
}

/* The lease if path is the card's, else -1: then the call is as it would be without us. */
static int open_lease(const char *path, int flags) {
	const char *card = getenv("SCANOUT_DEVICE");
	if (!card || !path || strcmp(path, card) != 0 || (flags & (O_PATH | O_DIRECTORY))) {
		return -1;
	}
	return duplicate("SCANOUT_LEASE_FD", flags & O_CLOEXEC);
}

/*
 * wlroots renders on the render node that sysfs tells of, which without a GPU is of no use to Mesa
 * and best left out of the container. An empty lease can map buffers, and that is all it takes.
 * Passes a real descriptor through.
 */
static int or_spare(int fd, const char *path, int flags) {
	static const char node[] = "/dev/dri/renderD";
	if (fd >= 0 || !path || strncmp(path, node, sizeof(node) - 1) != 0) {
		return fd;
	}
	int spare = find_spare(flags & O_CLOEXEC);
	return spare >= 0 ? spare : fd;
}

#define OPEN(path, flags, call)                                     \
	({                                                          \
		int lease_ = open_lease(path, flags);               \
		lease_ >= 0 ? lease_ : or_spare(call, path, flags); \
	})

EXPORT int open(const char *path, int flags, ...) {
	mode_t mode = READ_MODE(flags);
	return OPEN(path, flags, NEXT(open)(path, flags, mode));
}

EXPORT int open64(const char *path, int flags, ...) {
	mode_t mode = READ_MODE(flags);
	return OPEN(path, flags, NEXT(open64)(path, flags, mode));
}

EXPORT int openat(int dir, const char *path, int flags, ...) {
	mode_t mode = READ_MODE(flags);
	return OPEN(path, flags, NEXT(openat)(dir, path, flags, mode));
}

EXPORT int openat64(int dir, const char *path, int flags, ...) {
	mode_t mode = READ_MODE(flags);
	return OPEN(path, flags, NEXT(openat64)(dir, path, flags, mode));
}

/* What the four become in programs built with _FORTIFY_SOURCE. */
EXPORT int __open_2(const char *path, int flags) {
	return OPEN(path, flags, NEXT(__open_2)(path, flags));
}

EXPORT int __open64_2(const char *path, int flags) {
	return OPEN(path, flags, NEXT(__open64_2)(path, flags));
}

EXPORT int __openat_2(int dir, const char *path, int flags) {
	return OPEN(path, flags, NEXT(__openat_2)(dir, path, flags));
}

EXPORT int __openat64_2(int dir, const char *path, int flags) {
	return OPEN(path, flags, NEXT(__openat64_2)(dir, path, flags));
}

/*
 * wlroots asks the card for an empty lease, to have a file of its own for its buffers. The kernel
 * refuses that on a lease (EINVAL, "recursive leasing"), so what scanoutd made is handed out.
 */
static bool is_empty_lease(unsigned long request, const void *argument) {
	const struct drm_mode_create_lease *lease = argument;
	return request == DRM_IOCTL_MODE_CREATE_LEASE && lease && lease->object_count == 0;
}

EXPORT int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);

	int r = NEXT(ioctl)(fd, request, argument);
	if (r < 0 && errno == EINVAL && is_empty_lease(request, argument)) {
		struct drm_mode_create_lease *lease = argument;
		int spare = find_spare(lease->flags & O_CLOEXEC);
		if (spare >= 0) {
			lease->fd = spare;
			lease->lessee_id = 0;
			return 0;
		}
	}
	return r;
}
