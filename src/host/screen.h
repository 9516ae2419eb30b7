/*
 * The newest picture of a scanout, between the thread that captures and those that look. Newest
 * wins: there is no queue, so whoever is late skips what came before.
 */
#ifndef SCANOUT_HOST_SCREEN_H
#define SCANOUT_HOST_SCREEN_H

#include <pthread.h>
#include <sys/queue.h>

#include "host/frame.h"

enum screen_path {
	SCREEN_UNKNOWN,     // nothing came yet
	SCREEN_MAP,         // QEMU shares its memory
	SCREEN_MESSAGES,    // QEMU sends copies: slow for the guest
	SCREEN_UNSUPPORTED, // QEMU has pictures in a GPU's memory alone
};

/* Of one who looks; part of what the caller has for that. */
struct viewer {
	int fd;                   // an eventfd: readable when there is something new
	bool is_told;             // fd is readable; set by screen_touch(), cleared by screen_take()
	struct rect damage;       // what has changed since screen_take()
	TAILQ_ENTRY(viewer) link; // screen::viewers
};

struct screen {
	pthread_mutex_t lock; // held for some assignments only
	struct frame frame;
	enum screen_path path;
	bool is_gone;    // QEMU closed the connection; cleared when the next one is made
	uint64_t n_come; // pictures, ever
	TAILQ_HEAD(viewer_list, viewer) viewers; // viewer.link
};

/* As users read it; "" for SCREEN_UNKNOWN. */
const char *screen_path_name(enum screen_path path);

void screen_init(struct screen *screen);
/* Nobody looks any more. */
void screen_finish(struct screen *screen);

/* For the capturing thread. A frame is complete with screen_touch(): it tells the viewers.
 * screen_set() takes the reference over. */
void screen_set(struct screen *screen, enum screen_path path, const struct frame *frame);
void screen_touch(struct screen *screen, const struct rect *damage);
/* There is no picture any more, since QEMU says so or is gone: the map is dropped. */
void screen_clear(struct screen *screen, bool is_gone);
void screen_set_path(struct screen *screen, enum screen_path path);

/* For the others. A new viewer is told of a picture that is there already. */
int screen_add_viewer(struct screen *screen, struct viewer *viewer);
void screen_remove_viewer(struct screen *screen, struct viewer *viewer);
struct screen_news {
	struct frame frame; // unref its map, which may be NULL
	struct rect damage;
	enum screen_path path;
	bool is_gone;
	uint64_t n_come;
};
void screen_take(struct screen *screen, struct viewer *viewer, struct screen_news *ret);

#endif
