#include "host/recorder.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "host/ages.h"
#include "host/encoder.h"

#define SECOND UINT64_C(1000000)

/* Below the capturing thread, for which the VM waits. */
#define NICE 5
/* The picture rests: it is encoded again, better, so often. */
#define REST_USEC (250 * UINT64_C(1000))
#define MAX_REPAINTS 3
/* So that players can jump. */
#define KEY_USEC (10 * SECOND)

struct recorder {
	struct recorder_options options;
	pthread_t thread;
	int stop_fd, ended_fd; // eventfds: to the thread, and from it
	struct viewer viewer;
	struct picture picture;  // of the screen
	struct picture scaled;   // of the video; only if that has another size
	struct encoder *encoder; // NULL before the first picture
	struct output *output;
	uint64_t start_usec, key_usec; // of the first picture and the last key frame
	uint64_t shown_usec;           // of the last picture in the video
	uint64_t next_usec;            // not before is the next one encoded
	uint64_t repaint_usec;
	unsigned n_repaints; // left
	struct ages ages;    // of the pictures that have changed
	struct recorder_result result;
};

static int fail(struct recorder *recorder, int r, bool is_output) {
	recorder->result.error = r;
	recorder->result.is_output = is_output;
	return r;
}

/* Of the size of the first picture, unless the user wants another. */
static int begin(struct recorder *recorder, uint64_t usec) {
	const struct recorder_options *options = &recorder->options;
	uint32_t width = options->width ? options->width : recorder->picture.width;
	uint32_t height = options->height ? options->height : recorder->picture.height;
	struct encoder_options wanted = {
		.width = (width + 1) & ~1U,
		.height = (height + 1) & ~1U,
		.fps = options->fps,
		.has_header = options->format->has_header,
	};
	recorder->options.width = width;
	recorder->options.height = height;
	recorder->start_usec = recorder->key_usec = usec;
	int r = encoder_create(&recorder->encoder, &wanted);
	if (r < 0) {
		return fail(recorder, r, false);
	}
	r = output_create(&recorder->output, options->format, options->fd,
		encoder_context(recorder->encoder));
	return r < 0 ? fail(recorder, r, true) : 0;
}

/* The picture in the size of the video. */
static int scale(struct recorder *recorder, const struct picture **ret) {
	const struct recorder_options *options = &recorder->options;
	struct picture *scaled = &recorder->scaled;
	*ret = &recorder->picture;
	if (recorder->picture.width == options->width &&
		recorder->picture.height == options->height) {
		return 0;
	}
	if (!scaled->memory) {
		int r = picture_resize(scaled, options->width, options->height);
		if (r < 0) {
			return r;
		}
	}
	picture_fit(scaled, &recorder->picture);
	*ret = scaled;
	return 0;
}

static int encode(struct recorder *recorder, uint64_t usec, unsigned flags) {
	const struct picture *picture;
	AVPacket *packet;
	int r = recorder->encoder ? 0 : begin(recorder, usec);
	if (r < 0) {
		return r;
	}
	/* A time is the millisecond at least after the one before. */
	if (recorder->result.n_frames > 0 && usec < recorder->shown_usec + 1000) {
		usec = recorder->shown_usec + 1000;
	}
	if (recorder->result.n_frames == 0 || usec >= recorder->key_usec + KEY_USEC) {
		recorder->key_usec = usec;
		flags |= ENCODER_KEY;
	}
	r = scale(recorder, &picture);
	if (r >= 0) {
		r = encoder_encode(recorder->encoder, picture,
			(int64_t)(usec - recorder->start_usec), flags, &packet);
	}
	if (r < 0) {
		return fail(recorder, r, false);
	}
	packet->duration = (int64_t)(SECOND / recorder->options.fps);
	r = output_write(recorder->output, packet);
	if (r < 0) {
		return fail(recorder, r, true);
	}
	recorder->shown_usec = usec;
	recorder->result.n_frames++;
	return 0;
}

/* What is new. A picture whose memory went away is skipped: a whole one follows. */
static int look(struct recorder *recorder) {
	struct screen_news news;
	bool is_changed = false;
	screen_take(recorder->options.screen, &recorder->viewer, &news);
	int r = 0;
	if (news.frame.map && !rect_is_empty(&news.damage)) {
		r = picture_read(&recorder->picture, &news.frame, &news.damage, &is_changed);
	}
	map_unref(news.frame.map);
	if (r < 0 && r != -EIO) {
		return fail(recorder, r, false);
	}
	if (r < 0 || !is_changed) {
		return 0;
	}
	uint64_t begun = ages_now();
	r = encode(recorder, news.frame.usec, 0);
	ages_add(&recorder->ages, news.frame.usec);
	recorder->next_usec = begun + SECOND / recorder->options.fps;
	recorder->n_repaints = MAX_REPAINTS;
	recorder->repaint_usec = begun + REST_USEC;
	return r;
}

static int repaint(struct recorder *recorder) {
	uint64_t begun = ages_now();
	recorder->n_repaints--;
	recorder->repaint_usec = begun + SECOND / recorder->options.fps;
	return encode(recorder, begun, ENCODER_FINE);
}

/* In ms, rounded up; -1: until something comes. */
static int timeout(uint64_t until) {
	uint64_t time = ages_now();
	return until <= time ? 0 : (int)((until - time + 999) / 1000);
}

/* Until it is told to stop, or something fails. */
static void record(struct recorder *recorder) {
	struct pollfd fds[2] = {{recorder->stop_fd, POLLIN, 0}, {recorder->viewer.fd, POLLIN, 0}};
	int r = 0;
	while (r >= 0) {
		bool is_early = ages_now() < recorder->next_usec;
		int wait = is_early                   ? timeout(recorder->next_usec)
			   : recorder->n_repaints > 0 ? timeout(recorder->repaint_usec)
						      : -1;
		/* Before it is time, news need not wake us. */
		fds[1].fd = is_early ? -1 : recorder->viewer.fd;
		fds[0].revents = fds[1].revents = 0;
		if (poll(fds, 2, wait) < 0 && errno != EINTR) {
			fail(recorder, -errno, false);
			return;
		}
		if (fds[0].revents) {
			return;
		}
		if (fds[1].revents) {
			r = look(recorder);
		} else if (!is_early && recorder->n_repaints > 0 &&
			   ages_now() >= recorder->repaint_usec) {
			r = repaint(recorder);
		}
	}
}

/* The newest picture is the last one, and lasts until now, in the video too. */
static void complete(struct recorder *recorder) {
	if (recorder->result.error == 0) {
		(void)look(recorder);
	}
	if (recorder->result.error == 0 && recorder->output) {
		recorder->result.usec = ages_now() - recorder->start_usec;
		if (encode(recorder, ages_now(), 0) == 0) {
			int r = output_finish(recorder->output);
			if (r < 0) {
				fail(recorder, r, true);
			}
		}
	}
	if (recorder->output) {
		recorder->result.n_bytes = output_bytes(recorder->output);
		recorder->result.age_p50_usec = ages_find(&recorder->ages, 50);
		recorder->result.age_p99_usec = ages_find(&recorder->ages, 99);
	}
}

static void *run(void *data) {
	struct recorder *recorder = data;
	pthread_setname_np(pthread_self(), "encode");
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + NICE);
	record(recorder);
	complete(recorder);
	(void)eventfd_write(recorder->ended_fd, 1);
	return NULL;
}

static void destroy(struct recorder *recorder) {
	if (recorder->viewer.fd >= 0) {
		screen_remove_viewer(recorder->options.screen, &recorder->viewer);
	}
	output_destroy(recorder->output);
	encoder_destroy(recorder->encoder);
	picture_finish(&recorder->picture);
	picture_finish(&recorder->scaled);
	ages_finish(&recorder->ages);
	cleanup_close(&recorder->stop_fd);
	cleanup_close(&recorder->ended_fd);
	free(recorder);
}

int recorder_start(struct recorder **ret, const struct recorder_options *options) {
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	if (!recorder) {
		return -ENOMEM;
	}
	recorder->options = *options;
	recorder->viewer.fd = -1;
	recorder->stop_fd = eventfd(0, EFD_CLOEXEC);
	recorder->ended_fd = eventfd(0, EFD_CLOEXEC);
	int r = recorder->stop_fd < 0 || recorder->ended_fd < 0 ? -errno : 0;
	if (r >= 0) {
		r = screen_add_viewer(options->screen, &recorder->viewer);
	}
	if (r >= 0) {
		r = -pthread_create(&recorder->thread, NULL, run, recorder);
	}
	if (r < 0) {
		destroy(recorder);
		return r;
	}
	*ret = recorder;
	return 0;
}

int recorder_fd(const struct recorder *recorder) {
	return recorder->ended_fd;
}

void recorder_stop(struct recorder *recorder, struct recorder_result *ret) {
	(void)eventfd_write(recorder->stop_fd, 1);
	pthread_join(recorder->thread, NULL);
	*ret = recorder->result;
	destroy(recorder);
}
