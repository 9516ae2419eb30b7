/* The file of a program, and what it shows before the program starts. */
#ifndef SCANOUT_RUN_EXECUTABLE_H
#define SCANOUT_RUN_EXECUTABLE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds it as execvp(3) does. -ENOENT if it does not exist. */
int executable_find(const char *name, char path[PATH_MAX]);

/* Whether a text is anywhere in the file, such as the name of a library that it is linked to. */
bool executable_contains(const char *path, const char *text);

struct executable_caps {
	uint64_t gained;  // what the file gives to its process
	uint64_t missing; // of that: what cannot be had here, upon which the kernel refuses to
			  // start it
};

/* Reads its file capabilities: none where the kernel ignores them. */
struct executable_caps executable_read_caps(const char *path);

/* Writes "a b" with a word before each, such as an option of a container engine. */
void executable_name_caps(uint64_t caps, const char *before, char *text, size_t size);

#endif
