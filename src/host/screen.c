#include "host/screen.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "host/ages.h"

const char *screen_path_name(enum screen_path path) {
	static const char *const names[] = {
		[SCREEN_UNKNOWN] = "",
		[SCREEN_MAP] = "map",
		[SCREEN_MESSAGES] = "messages",
		[SCREEN_UNSUPPORTED] = "unsupported",
	};
	return names[path];
}

void screen_init(struct screen *screen) {
	*screen = (struct screen){.lock = PTHREAD_MUTEX_INITIALIZER};
	TAILQ_INIT(&screen->viewers);
}

void screen_finish(struct screen *screen) {
	screen->frame.map = map_unref(screen->frame.map);
	pthread_mutex_destroy(&screen->lock);
}

/* Tells the viewers, with the lock held. The write cannot block: one is only told once. */
static void tell(struct screen *screen, const struct rect *damage) {
	struct viewer *viewer;
	TAILQ_FOREACH (viewer, &screen->viewers, link) {
		if (damage) {
			rect_add(&viewer->damage, damage);
		}
		if (!viewer->is_told) {
			viewer->is_told = eventfd_write(viewer->fd, 1) == 0;
		}
	}
}

static bool has_size_of(const struct frame *a, const struct frame *b) {
	return a->width == b->width && a->height == b->height;
}

/* Another size makes the damage of the previous one meaningless; screen_touch() brings the new. */
void screen_set(struct screen *screen, enum screen_path path, const struct frame *frame) {
	struct viewer *viewer;
	pthread_mutex_lock(&screen->lock);
	struct map *previous = screen->frame.map;
	bool is_resized = !previous || !has_size_of(&screen->frame, frame);
	uint64_t usec = screen->frame.usec;
	screen->frame = *frame;
	screen->frame.usec = usec;
	screen->path = path;
	TAILQ_FOREACH (viewer, &screen->viewers, link) {
		if (is_resized) {
			viewer->damage = (struct rect){0};
		}
	}
	pthread_mutex_unlock(&screen->lock);
	map_unref(previous);
}

void screen_touch(struct screen *screen, const struct rect *damage) {
	pthread_mutex_lock(&screen->lock);
	screen->frame.usec = ages_now();
	screen->n_come++;
	tell(screen, damage);
	pthread_mutex_unlock(&screen->lock);
}

void screen_clear(struct screen *screen, bool is_gone) {
	pthread_mutex_lock(&screen->lock);
	struct map *previous = TAKE_PTR(screen->frame.map);
	screen->is_gone |= is_gone;
	tell(screen, NULL);
	pthread_mutex_unlock(&screen->lock);
	map_unref(previous);
}

void screen_set_path(struct screen *screen, enum screen_path path) {
	pthread_mutex_lock(&screen->lock);
	screen->path = path;
	screen->is_gone = false;
	tell(screen, NULL);
	pthread_mutex_unlock(&screen->lock);
}

int screen_add_viewer(struct screen *screen, struct viewer *viewer) {
	*viewer = (struct viewer){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (viewer->fd < 0) {
		return -errno;
	}
	pthread_mutex_lock(&screen->lock);
	TAILQ_INSERT_TAIL(&screen->viewers, viewer, link);
	if (screen->frame.map) {
		viewer->damage = frame_whole(&screen->frame);
		viewer->is_told = eventfd_write(viewer->fd, 1) == 0;
	}
	pthread_mutex_unlock(&screen->lock);
	return 0;
}

void screen_remove_viewer(struct screen *screen, struct viewer *viewer) {
	pthread_mutex_lock(&screen->lock);
	TAILQ_REMOVE(&screen->viewers, viewer, link);
	pthread_mutex_unlock(&screen->lock);
	close(TAKE_FD(viewer->fd));
}

void screen_take(struct screen *screen, struct viewer *viewer, struct screen_news *ret) {
	eventfd_t count;
	pthread_mutex_lock(&screen->lock);
	if (viewer->is_told && eventfd_read(viewer->fd, &count) == 0) {
		viewer->is_told = false;
	}
	*ret = (struct screen_news){
		screen->frame, viewer->damage, screen->path, screen->is_gone, screen->n_come};
	if (ret->frame.map) {
		map_ref(ret->frame.map);
	}
	viewer->damage = (struct rect){0};
	pthread_mutex_unlock(&screen->lock);
}
