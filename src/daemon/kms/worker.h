/*
 * One thread for the calls on one card that can wait behind a lessee's modeset lock for ever.
 * Jobs run one after the other; the event loop never waits for them.
 */
#ifndef SCANOUTD_WORKER_H
#define SCANOUTD_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

struct worker;

struct worker_job {
	/* On the worker's thread; touches nothing but the job. Returns 0 or a negative errno. */
	int (*run)(struct worker_job *job);
	/* On the event loop, once, with run()'s result, or -ECANCELED if the worker was stopped
	 * meanwhile: then nothing but the job itself may be touched. Owns the job again. */
	void (*done)(struct worker_job *job, int result);
	/* On the event loop, at most once, before done(): the deadline passed. May be NULL. */
	void (*overdue)(struct worker_job *job);
	uint64_t deadline_usec; // from the submission; 0 = none

	/* The worker's own. */
	int result;
	sd_event_source *timer;
	TAILQ_ENTRY(worker_job) link; // worker::waiting, then worker::finished
};

int worker_new(sd_event *event, struct worker **ret);

/* Hands the job over until done() is called. On failure it stays the caller's. */
int worker_submit(struct worker *worker, struct worker_job *job);

/*
 * Lets the thread end after the job it is in. Jobs that have not begun are done at once. `stopped`
 * is called from the event loop when the thread is gone; then the worker is freed.
 */
void worker_stop(struct worker *worker, void (*stopped)(void *data), void *data);

/*
 * For the end of the process: the same, waiting for at most `timeout_usec`. Returns false if the
 * thread still hangs in the kernel; then the worker and its card must be left as they are.
 */
bool worker_destroy(struct worker *worker, uint64_t timeout_usec);

#endif
