#include "starve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The allocator of the sanitizer's library, which would be called if the names here were not. */
void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t n, size_t size);
void *__interceptor_realloc(void *old, size_t size);

/* To the next failure; 0: none comes. Of this thread, or shared with the test that started us. */
static __thread volatile unsigned own, *countdown;
static __thread bool paused;

void starve(unsigned n) {
	own = n;
	countdown = &own;
	paused = false;
}

bool starve_end(void) {
	bool starved = own == 0;
	own = 0;
	return starved;
}

void starve_pause(void) {
	paused = true;
}

void starve_resume(void) {
	paused = false;
}

volatile unsigned *starve_share(int fd) {
	void *page = mmap(NULL, sizeof(*countdown), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

void starve_obey(volatile unsigned *n) {
	countdown = n;
}

static bool fails(void) {
	if (!countdown || paused || *countdown == 0 || --*countdown > 0) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size) {
	return fails() ? NULL : __interceptor_malloc(size);
}

void *calloc(size_t n, size_t size) {
	return fails() ? NULL : __interceptor_calloc(n, size);
}

void *realloc(void *old, size_t size) {
	return fails() ? NULL : __interceptor_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size) {
	size_t total;
	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, total);
}

char *strndup(const char *text, size_t max) {
	size_t length = strnlen(text, max);
	char *copy = malloc(length + 1);
	if (copy) {
		memcpy(copy, text, length);
		copy[length] = '\0';
	}
	return copy;
}

char *strdup(const char *text) {
	return strndup(text, strlen(text));
}
