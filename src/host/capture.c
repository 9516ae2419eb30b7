#include "host/capture.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "common/cleanup.h"

/* What the thread is asked to do; the caller waits for it. */
struct job {
	void (*run)(struct capture *capture, struct job *job);
	struct listener *listener;
	int fd;
	const char *name;
	struct screen *screen;
	bool wants_copies;
	int result;
};

struct capture {
	pthread_t thread;
	sd_event *event; // the thread's
	int wake_fd;     // an eventfd: there is a job
	struct job *job; // the caller's, from sem_wait() to sem_post() the thread's
	sem_t done;
};

static void ask(struct capture *capture, struct job *job) {
	capture->job = job;
	(void)eventfd_write(capture->wake_fd, 1); // cannot fail: the thread reads it each time
	while (sem_wait(&capture->done) < 0) {
	}
}

static int handle_job(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct capture *capture = data;
	eventfd_t count;
	if (eventfd_read(fd, &count) == 0) {
		capture->job->run(capture, capture->job);
		sem_post(&capture->done);
	}
	return 0;
}

static void *run(void *data) {
	struct capture *capture = data;
	pthread_setname_np(pthread_self(), "capture");
	(void)sd_event_loop(capture->event);
	return NULL;
}

static void destroy(struct capture *capture) {
	sd_event_unref(capture->event);
	if (capture->wake_fd >= 0) {
		close(capture->wake_fd);
	}
	sem_destroy(&capture->done);
	free(capture);
}

int capture_start(struct capture **ret) {
	struct capture *capture = calloc(1, sizeof(*capture));
	if (!capture) {
		return -ENOMEM;
	}
	sem_init(&capture->done, 0, 0);
	capture->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = capture->wake_fd < 0 ? -errno : sd_event_new(&capture->event);
	if (r >= 0) {
		r = sd_event_add_io(
			capture->event, NULL, capture->wake_fd, EPOLLIN, handle_job, capture);
	}
	if (r >= 0) {
		r = -pthread_create(&capture->thread, NULL, run, capture);
	}
	if (r < 0) {
		destroy(capture);
		return r;
	}
	*ret = capture;
	return 0;
}

static void run_exit(struct capture *capture, struct job *job) {
	sd_event_exit(capture->event, 0);
}

void capture_stop(struct capture *capture) {
	if (capture) {
		struct job job = {.run = run_exit};
		ask(capture, &job);
		pthread_join(capture->thread, NULL);
		destroy(capture);
	}
}

static void run_add(struct capture *capture, struct job *job) {
	job->result = listener_create(
		&job->listener, capture->event, job->fd, job->name, job->screen, job->wants_copies);
}

int capture_add(struct capture *capture, struct listener **ret, int fd, const char *name,
	struct screen *screen, bool wants_copies) {
	struct job job = {.run = run_add,
		.fd = fd,
		.name = name,
		.screen = screen,
		.wants_copies = wants_copies};
	ask(capture, &job);
	if (job.result < 0) {
		return job.result;
	}
	*ret = job.listener;
	return 0;
}

static void run_remove(struct capture *capture, struct job *job) {
	listener_destroy(job->listener);
}

void capture_remove(struct capture *capture, struct listener *listener) {
	struct job job = {.run = run_remove, .listener = listener};
	if (listener) {
		ask(capture, &job);
	}
}
