#include "daemon/kms/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"

#define STACK_SIZE (256 * 1024)

TAILQ_HEAD(job_list, worker_job);

struct worker {
	sd_event *event;
	sd_event_source *source; // of wake_fd
	int wake_fd;             // the thread -> the loop: something finished
	pthread_t thread;
	void (*stopped)(void *data);
	void *stopped_data;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock: */
	struct job_list waiting, finished; // worker_job.link
	struct worker_job *running;        // may be NULL
	bool stop, gone;
};

static void wake_loop(struct worker *worker) {
	uint64_t one = 1;
	ssize_t n = write(worker->wake_fd, &one, sizeof(one));
	(void)n; // fails only if the counter is at its maximum: then the loop is awake
}

static void *run_jobs(void *data) {
	struct worker *worker = data;

	pthread_mutex_lock(&worker->lock);
	for (;;) {
		struct worker_job *job = TAILQ_FIRST(&worker->waiting);
		if (!job && worker->stop) {
			break;
		}
		if (!job) {
			pthread_cond_wait(&worker->changed, &worker->lock);
			continue;
		}
		TAILQ_REMOVE(&worker->waiting, job, link);
		worker->running = job;
		pthread_mutex_unlock(&worker->lock);
		job->result = job->run(job);
		pthread_mutex_lock(&worker->lock);
		worker->running = NULL;
		TAILQ_INSERT_TAIL(&worker->finished, job, link);
		wake_loop(worker);
	}
	worker->gone = true;
	pthread_cond_broadcast(&worker->changed);
	wake_loop(worker);
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

static void finish_jobs(struct worker *worker) {
	for (;;) {
		pthread_mutex_lock(&worker->lock);
		struct worker_job *job = TAILQ_FIRST(&worker->finished);
		bool stop = worker->stop;
		if (job) {
			TAILQ_REMOVE(&worker->finished, job, link);
		}
		pthread_mutex_unlock(&worker->lock);
		if (!job) {
			return;
		}
		job->timer = sd_event_source_disable_unref(job->timer);
		job->done(job, stop ? -ECANCELED : job->result);
	}
}

static void cancel_waiting(struct worker *worker) {
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	for (struct worker_job *job; (job = TAILQ_FIRST(&worker->waiting));) {
		TAILQ_REMOVE(&worker->waiting, job, link);
		TAILQ_INSERT_TAIL(&worker->finished, job, link);
	}
	if (worker->running) {
		worker->running->timer = sd_event_source_disable_unref(worker->running->timer);
	}
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

static void release(struct worker *worker) {
	pthread_join(worker->thread, NULL);
	sd_event_source_disable_unref(worker->source);
	close(worker->wake_fd);
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

static int handle_wake(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct worker *worker = data;
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));
	(void)n; // the lists say what happened, the counter only that something did

	finish_jobs(worker);
	pthread_mutex_lock(&worker->lock);
	bool gone = worker->gone;
	pthread_mutex_unlock(&worker->lock);
	if (gone && worker->stopped) {
		void (*stopped)(void *) = worker->stopped;
		void *stopped_data = worker->stopped_data;
		release(worker);
		stopped(stopped_data);
	}
	return 0;
}

int worker_new(sd_event *event, struct worker **ret) {
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker) {
		return -ENOMEM;
	}
	worker->event = event;
	TAILQ_INIT(&worker->waiting);
	TAILQ_INIT(&worker->finished);
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0) {
		int r = -errno;
		free(worker);
		return r;
	}
	int r = sd_event_add_io(
		event, &worker->source, worker->wake_fd, EPOLLIN, handle_wake, worker);
	if (r < 0) {
		close(worker->wake_fd);
		free(worker);
		return r;
	}
	pthread_mutex_init(&worker->lock, NULL);
	/* Not the default, the clock on the wall: that may jump while somebody waits. */
	pthread_condattr_t clock;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&worker->changed, &clock);
	pthread_condattr_destroy(&clock);

	/* Signals are the loop's: the thread must not take any. A stack of the default 8 MiB would
	 * get a huge page of 2 MiB at its first use, where those are always on. */
	sigset_t all, before;
	pthread_attr_t attributes;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	r = -pthread_create(&worker->thread, &attributes, run_jobs, worker);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0) {
		sd_event_source_disable_unref(worker->source);
		close(worker->wake_fd);
		free(worker);
		return r;
	}
	*ret = worker;
	return 0;
}

static int handle_overdue(sd_event_source *source, uint64_t usec, void *data) {
	struct worker_job *job = data;
	job->overdue(job);
	return 0;
}

int worker_submit(struct worker *worker, struct worker_job *job) {
	job->timer = NULL;
	if (job->deadline_usec > 0 && job->overdue) {
		int r = sd_event_add_time_relative(worker->event, &job->timer, CLOCK_MONOTONIC,
			job->deadline_usec, 1000, handle_overdue, job);
		if (r < 0) {
			return r;
		}
	}
	pthread_mutex_lock(&worker->lock);
	TAILQ_INSERT_TAIL(&worker->waiting, job, link);
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
	return 0;
}

void worker_stop(struct worker *worker, void (*stopped)(void *data), void *data) {
	worker->stopped = stopped;
	worker->stopped_data = data;
	cancel_waiting(worker);
	finish_jobs(worker);
}

bool worker_destroy(struct worker *worker, uint64_t timeout_usec) {
	struct timespec until;
	int r = 0;

	if (!worker) {
		return true;
	}
	cancel_waiting(worker);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(timeout_usec / 1000000);
	until.tv_nsec += (long)(timeout_usec % 1000000) * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&worker->lock);
	while (!worker->gone && r == 0) {
		r = pthread_cond_timedwait(&worker->changed, &worker->lock, &until);
	}
	bool gone = worker->gone;
	pthread_mutex_unlock(&worker->lock);
	if (!gone) {
		return false;
	}
	finish_jobs(worker);
	release(worker);
	return true;
}
