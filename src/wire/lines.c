#include "wire/lines.h"

static void end_line(
	struct lines *lines, void (*handle)(void *data, const char *line), void *handle_data) {
	size_t used = lines->used;
	bool is_dropped = lines->is_dropped;
	lines->used = 0;
	lines->is_dropped = false;
	if (is_dropped) {
		lines->n_dropped++;
	} else if (used > 0) {
		lines->line[used] = '\0';
		handle(handle_data, lines->line);
	}
}

void lines_feed(struct lines *lines, const char *data, size_t size,
	void (*handle)(void *data, const char *line), void *handle_data) {
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n') {
			end_line(lines, handle, handle_data);
		} else if (data[i] == '\0' || lines->used == sizeof(lines->line) - 1) {
			lines->is_dropped = true;
		} else {
			lines->line[lines->used++] = data[i];
		}
	}
}
