#include "host/meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"

/* At 400 pictures a second of 16 scanouts, three minutes; later ones are not kept. */
#define MAX_AGES (1024 * 1024)

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
	free(meter->ages);
	free(meter->line);
	free(meter->title);
}

void meter_begin(struct meter *meter) {
	meter->n_before += meter->n_come;
	meter->n_come = meter->n_read = meter->n_bytes = 0;
	meter->n_ages = 0;
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
	if (meter->n_ages == meter->n_room && meter->n_room < MAX_AGES) {
		size_t n = meter->n_room ? 2 * meter->n_room : 1024;
		uint32_t *ages = reallocarray(meter->ages, n, sizeof(*ages));
		if (!ages) {
			return -ENOMEM;
		}
		meter->ages = ages;
		meter->n_room = n;
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

static void note_age(struct meter *meter, uint64_t since) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	uint64_t now = (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
	if (meter->n_ages < meter->n_room) {
		meter->ages[meter->n_ages++] = (uint32_t)(now - since);
	}
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
			note_age(meter, news.frame.usec);
		}
	}
	map_unref(news.frame.map);
	return r;
}

static int compare(const void *a, const void *b) {
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left < right ? -1 : left > right;
}

uint32_t meter_age(const struct meter *meter, unsigned percent) {
	if (meter->n_ages == 0) {
		return 0;
	}
	qsort(meter->ages, meter->n_ages, sizeof(*meter->ages), compare);
	size_t i = meter->n_ages * percent / 100;
	return meter->ages[i < meter->n_ages ? i : meter->n_ages - 1];
}
