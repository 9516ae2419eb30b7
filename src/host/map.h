/*
 * Pixels that QEMU shares, mapped read-only, or a buffer of our own for those that it sends. QEMU
 * goes on drawing into a shared one, and could even cut the file short: read it between map_begin()
 * and map_end(). May be used by several threads.
 */
#ifndef SCANOUT_HOST_MAP_H
#define SCANOUT_HOST_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct map {
	atomic_uint references;
	atomic_bool is_cut; // set when a read went past the end of the file; never cleared
	uint8_t *data;
	size_t size;
	dev_t dev; // of the shared file; with ino 0 the buffer is our own
	ino_t ino;
};

/*
 * Maps the first `size` bytes of a file in memory; the fd stays the caller's. -EMEDIUMTYPE if it is
 * none (QEMU can send its stdin), -ENODATA if it is shorter.
 */
int map_open(int fd, size_t size, struct map **ret);
/* Whether map_open() would map the same again. */
bool map_is_of(const struct map *map, int fd, size_t size);
/* A buffer of our own, zeroed. */
int map_new(size_t size, struct map **ret);

struct map *map_ref(struct map *map);
/* NULL is fine. Returns NULL. */
struct map *map_unref(struct map *map);

/* Once, before any thread: a read past the end of a shared file, between the two calls below, finds
 * zeros instead of ending the program. */
int map_guard(void);
/* This thread reads this map, and no other, until map_end(). */
void map_begin(struct map *map);
/* -EIO if the file was shorter than the map: what was read is not the picture. */
int map_end(struct map *map);

#endif
