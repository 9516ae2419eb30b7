#include "host/map.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/cleanup.h"

static _Thread_local struct map *reading;

/* QEMU shares files in memory: they have seals, and no name, which one in a tmpfs has. */
static int check(int fd, size_t size, struct stat *ret) {
	if (fstat(fd, ret) < 0) {
		return -errno;
	}
	if (!S_ISREG(ret->st_mode) || ret->st_nlink > 0 || fcntl(fd, F_GET_SEALS) < 0) {
		return -EMEDIUMTYPE;
	}
	return (uint64_t)ret->st_size < size ? -ENODATA : 0;
}

static int create(void *data, size_t size, struct map **ret) {
	struct map *map = data == MAP_FAILED ? NULL : calloc(1, sizeof(*map));
	if (data == MAP_FAILED) {
		return -errno;
	}
	if (!map) {
		munmap(data, size);
		return -ENOMEM;
	}
	map->references = 1;
	map->data = data;
	map->size = size;
	*ret = map;
	return 0;
}

int map_open(int fd, size_t size, struct map **ret) {
	struct stat st;
	int r = check(fd, size, &st);
	if (r < 0) {
		return r;
	}
	r = create(mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0), size, ret);
	if (r < 0) {
		return r;
	}
	(*ret)->dev = st.st_dev;
	(*ret)->ino = st.st_ino;
	return 0;
}

bool map_is_of(const struct map *map, int fd, size_t size) {
	struct stat st;
	return check(fd, size, &st) == 0 && map->ino == st.st_ino && map->dev == st.st_dev &&
	       map->size >= size && !map->is_cut;
}

int map_new(size_t size, struct map **ret) {
	return create(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		size, ret);
}

struct map *map_ref(struct map *map) {
	atomic_fetch_add(&map->references, 1);
	return map;
}

struct map *map_unref(struct map *map) {
	if (map && atomic_fetch_sub(&map->references, 1) == 1) {
		munmap(map->data, map->size);
		free(map);
	}
	return NULL;
}

/* Puts zeros in the place of the file. Any other fault is a bug: with the default action it happens
 * again, and ends the program. */
static void handle_fault(int signo, siginfo_t *info, void *context) {
	struct map *map = reading;
	const uint8_t *address = info->si_addr;
	int saved = errno;
	if (!map || address < map->data || address >= map->data + map->size ||
		mmap(map->data, map->size, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0) == MAP_FAILED) {
		signal(SIGBUS, SIG_DFL);
		return;
	}
	map->is_cut = true;
	errno = saved;
}

int map_guard(void) {
	struct sigaction action = {
		.sa_sigaction = handle_fault, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER};
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

void map_begin(struct map *map) {
	reading = map;
	atomic_signal_fence(memory_order_seq_cst);
}

int map_end(struct map *map) {
	atomic_signal_fence(memory_order_seq_cst);
	reading = NULL;
	return map->is_cut ? -EIO : 0;
}
