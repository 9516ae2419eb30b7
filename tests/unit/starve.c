#include "starve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The allocator of the sanitizer's library, which would be called if the names here were not. */
void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t n, size_t size);
void *__interceptor_realloc(void *old, size_t size);

static __thread unsigned countdown; // 0: none fails
static __thread bool armed, paused, starved;

void starve(unsigned n) {
	armed = n > 0;
	paused = starved = false;
	countdown = n;
}

bool starve_end(void) {
	armed = false;
	return starved;
}

void starve_pause(void) {
	paused = true;
}

void starve_resume(void) {
	paused = false;
}

static bool fails(void) {
	if (!armed || paused || --countdown > 0) {
		return false;
	}
	armed = false;
	starved = true;
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
