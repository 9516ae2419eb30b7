#include "host/meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

int meter_init(struct meter *meter, char *title) {
	meter->title = title;
	screen_init(&meter->screen);
	return screen_add_viewer(&meter->screen, &meter->viewer);
}

void meter_finish(struct meter *meter, struct capture *capture) {
	if (meter->title) {
		capture_remove(capture, TAKE_PTR(meter->listener));
		if (meter->viewer.fd >= 0) {
			screen_remove_viewer(&meter->screen, &meter->viewer);
		}
		screen_finish(&meter->screen);
	}
	ages_finish(&meter->ages);
	free(meter->line);
	free(meter->title);
}

void meter_begin(struct meter *meter) {
	meter->n_before += meter->n_come;
	meter->n_come = meter->n_read = meter->n_bytes = 0;
	ages_clear(&meter->ages);
}

static int make_room(struct meter *meter, size_t line_size) {
	if (line_size > meter->line_size) {
		uint8_t *line = realloc(meter->line, line_size);
		if (!line) {
			return -ENOMEM;
		}
		meter->line = line;
		meter->line_size = line_size;
	}
	return 0;
}

/* Into a buffer that stays in the cache, so that it is the reading that costs. */
static int read_pixels(struct meter *meter, const struct frame *frame, const struct rect *rect) {
	size_t size = (size_t)rect->width * FRAME_PIXEL;
	map_begin(frame->map);
	for (uint32_t y = rect->y; y < rect->y + rect->height; y++) {
		memcpy(meter->line, frame_row(frame, y) + (size_t)rect->x * FRAME_PIXEL, size);
		__asm__ volatile("" : : "r"(meter->line) : "memory"); // it is wanted
	}
	meter->n_bytes += size * rect->height;
	return map_end(frame->map);
}

int meter_read(struct meter *meter) {
	struct screen_news news;
	screen_take(&meter->screen, &meter->viewer, &news);
	meter->path = news.path;
	meter->is_gone = news.is_gone;
	meter->n_come = news.n_come - meter->n_before;
	int r = 0;
	if (news.frame.map && !rect_is_empty(&news.damage)) {
		meter->is_seen = true;
		r = make_room(meter, (size_t)news.frame.width * FRAME_PIXEL);
		if (r >= 0 && read_pixels(meter, &news.frame, &news.damage) >= 0) {
			meter->n_read++;
			ages_add(&meter->ages, news.frame.usec);
		}
	}
	map_unref(news.frame.map);
	return r;
}
