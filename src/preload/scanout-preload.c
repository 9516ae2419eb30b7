/*
 * For programs that know their card only by its path: open() of that path gives the lease that
 * was handed down, and the one ioctl that a lease cannot answer is answered by a spare lease. For
 * all programs: an output that nobody has sized prefers the size that scanoutd says.
 *
 *	SCANOUT_DEVICE    the path, /dev/dri/card0
 *	SCANOUT_LEASE_FD  descriptor of the lease; without it open() is left alone
 *	SCANOUT_SPARE_FD  descriptor of an empty lease, or
 *	SCANOUT_SPARE     path of a socket that gives one; without them ioctl() is left alone, and
 *	                  so is open() of a render node that cannot be opened
 *	SCANOUT_SIZE      what an output prefers while the host has not sized it, such as
 *	                  1920x1080; by default what comes from the socket of SCANOUT_SPARE
 *	SCANOUT_FILES     a folder in place of /run, see session_files.h
 *	SCANOUT_RENDERER  what wlroots draws with, unless its own variables say otherwise
 *
 * But for that last one, which is seen to before the program starts, nothing is allocated, and
 * nothing is kept but the addresses of libc's functions: every call reads the environment anew, so
 * there is no state that threads or forks could find half done.
 */
/* The checking inlines of the C library would stand in for what is defined here. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
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

#include "common/spare.h"
#include "preload/next.h"
#include "preload/session_files.h"

#define MAX_FD (1 << 20)

/*
 * Here and not by CDI, whose variables stand above the container's own: the user's choice could not
 * be told from none. That llvmpipe is allowed is for wayfire, which wants GLES2 in any case.
 */
__attribute__((constructor)) static void choose_renderer(void) {
	const char *renderer = getenv("SCANOUT_RENDERER");
	if (renderer && !getenv("WLR_RENDERER") && !getenv("WLR_RENDER_DRM_DEVICE") &&
		!getenv("WLR_RENDERER_ALLOW_SOFTWARE")) {
		setenv("WLR_RENDERER", renderer, 1);
		setenv("WLR_RENDERER_ALLOW_SOFTWARE", "1", 1);
	}
}

/* The mode is an argument only with flags that create a file. */
static bool has_mode(int flags) {
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define READ_MODE(flags)                               \
	({                                             \
		mode_t mode_ = 0;                      \
		if (has_mode(flags)) {                 \
			va_list args_;                 \
			va_start(args_, flags);        \
			mode_ = va_arg(args_, mode_t); \
			va_end(args_);                 \
		}                                      \
		mode_;                                 \
	})

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

/* By hand: headers of glibc 2.38 and later turn strtol() into one that older ones do not have. */
static int parse_fd(const char *text) {
	int number = 0;
	if (text[0] == '\0') {
		return -1;
	}
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || number > MAX_FD / 10) {
			return -1;
		}
		number = 10 * number + (*text - '0');
	}
	return number;
}

/* A copy of the descriptor that the environment names, or -1. errno is left as it was. */
static int duplicate(const char *name, bool cloexec) {
	const char *text = getenv(name);
	int saved = errno;
	int number = text ? parse_fd(text) : -1;
	int fd = number < 0 ? -1 : fcntl(number, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 3);
	errno = saved;
	return fd;
}

/* The descriptor that comes with a message, or -1. */
static int receive(int fd, bool cloexec, struct spare_message *ret) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = ret, .iov_len = sizeof(*ret)};
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
	struct cmsghdr *header = size == sizeof(*ret) ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
		memcpy(&passed, CMSG_DATA(header), sizeof(passed));
	}
	return passed;
}

/* What the seat gives: an empty lease, or -1, and the message. errno is left as it was. */
static int ask_seat(bool cloexec, struct spare_message *ret) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("SCANOUT_SPARE");
	int saved = errno, spare = -1;
	if (!path || strlen(path) >= sizeof(address.sun_path)) {
		return -1;
	}
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			spare = receive(fd, cloexec, ret);
		}
		close(fd);
	}
	errno = saved;
	return spare;
}

/* An empty lease, or -1. errno is left as it was. */
static int find_spare(bool cloexec) {
	struct spare_message message;
	int spare = duplicate("SCANOUT_SPARE_FD", cloexec);
	return spare >= 0 ? spare : ask_seat(cloexec, &message);
}

/* The digits at the text's begin; moves the text on. */
static uint32_t take_number(const char **text) {
	uint32_t number = 0;
	while (**text >= '0' && **text <= '9' && number < UINT16_MAX) {
		number = 10 * number + (uint32_t)(*(*text)++ - '0');
	}
	return number;
}

/* The size for outputs that nobody has sized; zeros if there is none. */
static struct spare_message find_size(void) {
	struct spare_message size = {0};
	const char *text = getenv("SCANOUT_SIZE");
	if (text) {
		size.width = take_number(&text);
		text += *text == 'x';
		size.height = take_number(&text);
		return size;
	}
	int spare = ask_seat(true, &size);
	if (spare >= 0) {
		close(spare);
		return size;
	}
	return (struct spare_message){0};
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

/* `path` is another one in `call`, if it is that of a session's file. */
#define OPEN(path, flags, call)                                     \
	({                                                          \
		char buffer_[SESSION_FILES_PATH];                   \
		path = session_files_find(path, buffer_);           \
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

static void move_to_front(struct drm_mode_modeinfo *modes, uint32_t i) {
	struct drm_mode_modeinfo mode = modes[i];
	memmove(modes + 1, modes, i * sizeof(*modes));
	modes[0] = mode;
}

/*
 * Programs take what an output prefers, and without that its largest mode. So one of the wanted
 * size is preferred as long as the host prefers none. When the host does, those of that size go:
 * what a program has from us is to be of no more use then, or KWin and Mutter would stay in it.
 */
static void adjust_modes(struct drm_mode_modeinfo *modes, uint32_t *count) {
	struct spare_message wanted = find_size();
	uint32_t left = 0, first = *count;
	bool is_sized = false, is_wanted = false;

	for (uint32_t i = 0; i < *count; i++) {
		bool has_size =
			modes[i].hdisplay == wanted.width && modes[i].vdisplay == wanted.height;
		if (modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			is_sized = true;
			is_wanted |= has_size;
		} else if (has_size && first == *count &&
			   !(modes[i].flags & DRM_MODE_FLAG_INTERLACE)) {
			first = i;
		}
	}
	if (!is_sized && first < *count) {
		modes[first].type |= DRM_MODE_TYPE_PREFERRED;
		move_to_front(modes, first);
	}
	for (uint32_t i = 0; is_sized && !is_wanted && i < *count; i++) {
		if (modes[i].hdisplay != wanted.width || modes[i].vdisplay != wanted.height) {
			modes[left++] = modes[i];
		}
	}
	*count = left > 0 ? left : *count;
}

/* The modes that the answer has, or NULL: the program had no room for them, or did not ask. */
static struct drm_mode_modeinfo *find_modes(
	const struct drm_mode_get_connector *connector, uint32_t room) {
	return connector->count_modes > 0 && connector->count_modes <= room
		       ? (struct drm_mode_modeinfo *)(uintptr_t)connector->modes_ptr
		       : NULL;
}

static int get_connector(int fd, struct drm_mode_get_connector *connector) {
	uint32_t room = connector->count_modes;
	int r = NEXT(ioctl)(fd, DRM_IOCTL_MODE_GETCONNECTOR, connector);
	struct drm_mode_modeinfo *modes = r < 0 ? NULL : find_modes(connector, room);
	if (modes) {
		adjust_modes(modes, &connector->count_modes);
	}
	return r;
}

EXPORT int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);

	if (request == DRM_IOCTL_MODE_GETCONNECTOR && argument) {
		return get_connector(fd, argument);
	}
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
