/* Lines out of what comes in pieces. One that is too long is dropped, up to its newline. */
#ifndef SCANOUT_WIRE_LINES_H
#define SCANOUT_WIRE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define LINES_MAX 4096 // bytes of a line, with its newline

struct lines {
	char line[LINES_MAX]; // what there is of the current one
	size_t used;
	bool is_dropped;    // set as the current line turns out too long, or to have a NUL in it;
			    // cleared by its newline
	unsigned n_dropped; // lines; cleared by whoever tells it
};

/*
 * Calls handle() for each line that is complete now, without its newline; not for empty ones. Zero
 * the struct before the first time.
 */
void lines_feed(struct lines *lines, const char *data, size_t size,
	void (*handle)(void *data, const char *line), void *handle_data);

#endif
