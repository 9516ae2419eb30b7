/* Requests that wait for a scanout, first come, first served. */
#ifndef SCANOUTD_QUEUE_H
#define SCANOUTD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "daemon/model/identity.h"
#include "daemon/model/refusal.h"
#include "daemon/model/scanout.h"
#include "daemon/model/wish.h"

struct grant {
	struct scanout *scanout;
	struct lease *lease;
	int fd, spare_fd; // the caller's; spare_fd is -1 without one
};

/* Tells a caller the outcome, once: `grant`, whose fds it takes over, or else `refusal`. */
typedef void (*grant_fn)(void *data, struct grant *grant, const struct refusal *refusal);

struct waiter {
	struct queue *queue;
	struct wish wish;
	struct identity identity;
	grant_fn reply;
	void *data;
	struct scanout_claim claim;
	sd_event_source *timer;   // NULL: waits only for a scanout that is being blanked
	TAILQ_ENTRY(waiter) link; // queue::waiters
};

struct queue {
	sd_event *event;
	sd_event_source *source; // serves the queue once it is woken
	void (*serve)(void *data);
	void *data;
	bool serving;
	TAILQ_HEAD(waiter_list, waiter) waiters; // waiter.link, oldest first
	unsigned n_waiters;
};

void queue_init(struct queue *queue, sd_event *event);
/* `serve` is called after queue_wake(). Returns 0 or a negative errno. */
int queue_start(struct queue *queue, void (*serve)(void *data), void *data);
/* The daemon stops: refuses all requests that wait. */
void queue_refuse_all(struct queue *queue);
void queue_finish(struct queue *queue);

/*
 * Something became free, or is refused from now on: the queue is served once, after the current
 * event and before any new request. Safe from anywhere, including from within a grant.
 */
void queue_wake(struct queue *queue);

/*
 * Adds a waiter; with a timeout in its wish it is refused with Timeout when that has passed.
 * Returns it, or NULL and a refusal: QuotaExceeded if too many wait already.
 */
struct waiter *queue_add(struct queue *queue, const struct wish *wish,
	const struct identity *identity, grant_fn reply, void *data, struct refusal *refusal);

/* Takes it out and frees it, without a reply. */
void queue_remove(struct queue *queue, struct waiter *waiter);

unsigned queue_count(const struct queue *queue, const struct identity *identity);

#endif
