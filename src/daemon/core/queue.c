#include "daemon/core/queue.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/drain/drain.h"

/* For all callers together; a caller of its own is bounded by MaxPerHolder= before. */
#define MAX_WAITERS 256

void queue_init(struct queue *queue, sd_event *event) {
	*queue = (struct queue){.event = event};
	TAILQ_INIT(&queue->waiters);
}

static int handle_wake(sd_event_source *source, void *data) {
	struct queue *queue = data;
	assert(!queue->serving);
	if (!TAILQ_EMPTY(&queue->waiters)) {
		queue->serving = true;
		queue->serve(queue->data);
		queue->serving = false;
	}
	return 0;
}

int queue_start(struct queue *queue, void (*serve)(void *data), void *data) {
	queue->serve = serve;
	queue->data = data;
	int r = sd_event_add_defer(queue->event, &queue->source, handle_wake, queue);
	if (r >= 0) {
		/* Before the bus: a new request must not overtake those that wait. */
		r = sd_event_source_set_priority(queue->source, SD_EVENT_PRIORITY_IMPORTANT);
	}
	return r;
}

void queue_wake(struct queue *queue) {
	if (queue->source) {
		sd_event_source_set_enabled(queue->source, SD_EVENT_ONESHOT);
	}
}

static void refuse(struct waiter *waiter, const struct refusal *refusal) {
	grant_fn reply = waiter->reply;
	void *data = waiter->data;
	queue_remove(waiter->queue, waiter);
	reply(data, NULL, refusal);
}

void queue_refuse_all(struct queue *queue) {
	struct refusal refusal;
	refusal_set(
		&refusal, REFUSAL_DEVICE_GONE, "scanoutd is stopping. Ask again when it is back.");
	while (!TAILQ_EMPTY(&queue->waiters)) {
		refuse(TAILQ_FIRST(&queue->waiters), &refusal);
	}
}

void queue_finish(struct queue *queue) {
	queue_refuse_all(queue);
	queue->source = sd_event_source_disable_unref(queue->source);
}

static int handle_timeout(sd_event_source *source, uint64_t usec, void *data) {
	struct waiter *waiter = data;
	struct refusal refusal;
	refusal_set(&refusal, REFUSAL_TIMEOUT,
		"No scanout became free within %" PRIu64
		" ms. 'scanoutctl list' shows who has them; "
		"release one, or ask again with a longer timeout.",
		waiter->wish.timeout_usec / 1000);
	refuse(waiter, &refusal);
	return 0;
}

struct waiter *queue_add(struct queue *queue, const struct wish *wish,
	const struct identity *identity, grant_fn reply, void *data, struct refusal *refusal) {
	if (queue->n_waiters >= MAX_WAITERS) {
		refusal_set(refusal, REFUSAL_QUOTA,
			"%u requests are waiting already, and that is the limit. Ask again later.",
			queue->n_waiters);
		return NULL;
	}
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	if (!waiter) {
		refusal_set(refusal, REFUSAL_DEVICE_BUSY, "scanoutd is out of memory. Ask again.");
		return NULL;
	}
	*waiter = (struct waiter){
		.queue = queue, .wish = *wish, .identity = *identity, .reply = reply, .data = data};
	if (wish->timeout_usec > 0 &&
		sd_event_add_time_relative(queue->event, &waiter->timer, CLOCK_MONOTONIC,
			wish->timeout_usec, 1000, handle_timeout, waiter) < 0) {
		free(waiter);
		refusal_set(refusal, REFUSAL_DEVICE_BUSY, "scanoutd is out of memory. Ask again.");
		return NULL;
	}
	TAILQ_INSERT_TAIL(&queue->waiters, waiter, link);
	queue->n_waiters++;
	return waiter;
}

void queue_remove(struct queue *queue, struct waiter *waiter) {
	TAILQ_REMOVE(&queue->waiters, waiter, link);
	queue->n_waiters--;
	if (waiter->claim.scanout) {
		drain_abandon(waiter->claim.scanout);
	}
	sd_event_source_disable_unref(waiter->timer);
	free(waiter);
}

unsigned queue_count(const struct queue *queue, const struct identity *identity) {
	unsigned n = 0;
	struct waiter *waiter;
	TAILQ_FOREACH (waiter, &queue->waiters, link) {
		n += identity_same_quota(&waiter->identity, identity);
	}
	return n;
}
