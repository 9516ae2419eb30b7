#include "fake_clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>

#define MAX_TIMERS 512
#define NEVER UINT64_MAX

/* The linker's names: --wrap. */
int __real_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
	uint64_t accuracy, sd_event_time_handler_t handler, void *data);
int __real_sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
	uint64_t usec, uint64_t accuracy, sd_event_time_handler_t handler, void *data);
int __real_sd_event_source_set_time(sd_event_source *source, uint64_t usec);
int __real_sd_event_source_set_time_relative(sd_event_source *source, uint64_t usec);
sd_event_source *__real_sd_event_source_disable_unref(sd_event_source *source);
int __real_pthread_cond_timedwait(
	pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until);
int __wrap_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
	uint64_t accuracy, sd_event_time_handler_t handler, void *data);
int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
	uint64_t usec, uint64_t accuracy, sd_event_time_handler_t handler, void *data);
int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec);
int __wrap_sd_event_source_set_time_relative(sd_event_source *source, uint64_t usec);
sd_event_source *__wrap_sd_event_source_disable_unref(sd_event_source *source);
int __wrap_pthread_cond_timedwait(
	pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until);
int __real_sd_bus_call(sd_bus *bus, sd_bus_message *message, uint64_t usec, sd_bus_error *error,
	sd_bus_message **reply);
int __wrap_sd_bus_call(sd_bus *bus, sd_bus_message *message, uint64_t usec, sd_bus_error *error,
	sd_bus_message **reply);
int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

static bool stopped;
static unsigned speed = 1;
static struct {
	sd_event_source *source; // NULL: the place is free
	uint64_t left;
} timers[MAX_TIMERS];

static size_t find(const sd_event_source *source) {
	size_t i = 0;
	while (i < MAX_TIMERS && timers[i].source != source) {
		i++;
	}
	return i;
}

/* When it has run out, it is due as long ago as sd-event can express: `order` keeps them apart. */
static int set(sd_event_source *source, uint64_t left, uint64_t order) {
	size_t i = find(source);
	i = i < MAX_TIMERS ? i : find(NULL);
	assert(i < MAX_TIMERS);
	timers[i].source = source;
	timers[i].left = left;
	return __real_sd_event_source_set_time(source, left > 0 ? NEVER : 1 + order);
}

static uint64_t left_until(uint64_t usec) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t past = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	return usec > past ? usec - past : 0;
}

static int add(sd_event *event, sd_event_source **ret, uint64_t left, uint64_t accuracy,
	sd_event_time_handler_t handler, void *data) {
	sd_event_source *source = NULL;
	int r = __real_sd_event_add_time(
		event, &source, CLOCK_MONOTONIC, NEVER, accuracy, handler, data);
	if (r >= 0) {
		r = set(source, left, 0);
	}
	if (r >= 0 && !ret) {
		r = sd_event_source_set_floating(source, true);
		sd_event_source_unref(source);
	} else if (r >= 0) {
		*ret = source;
	}
	return r;
}

int __wrap_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
	uint64_t accuracy, sd_event_time_handler_t handler, void *data) {
	return stopped ? add(event, ret, left_until(usec), accuracy, handler, data)
		       : __real_sd_event_add_time(event, ret, clock, usec, accuracy, handler, data);
}

int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
	uint64_t usec, uint64_t accuracy, sd_event_time_handler_t handler, void *data) {
	return stopped ? add(event, ret, usec, accuracy, handler, data)
		       : __real_sd_event_add_time_relative(
				 event, ret, clock, usec / speed, accuracy, handler, data);
}

int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec) {
	return stopped ? set(source, left_until(usec), 0)
		       : __real_sd_event_source_set_time(source, usec);
}

int __wrap_sd_event_source_set_time_relative(sd_event_source *source, uint64_t usec) {
	return stopped ? set(source, usec, 0)
		       : __real_sd_event_source_set_time_relative(source, usec / speed);
}

sd_event_source *__wrap_sd_event_source_disable_unref(sd_event_source *source) {
	size_t i = source ? find(source) : MAX_TIMERS;
	if (i < MAX_TIMERS) {
		timers[i].source = NULL;
	}
	return __real_sd_event_source_disable_unref(source);
}

int __wrap_pthread_cond_timedwait(
	pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until) {
	return stopped ? pthread_cond_wait(condition, lock)
		       : __real_pthread_cond_timedwait(condition, lock, until);
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left) {
	return stopped ? 0 : __real_nanosleep(time, left);
}

/* 0: sd-bus's own limit. */
int __wrap_sd_bus_call(sd_bus *bus, sd_bus_message *message, uint64_t usec, sd_bus_error *error,
	sd_bus_message **reply) {
	return __real_sd_bus_call(
		bus, message, stopped && usec > 0 ? NEVER : usec / speed, error, reply);
}

void clock_stop(void) {
	stopped = true;
}

void clock_pass(uint64_t usec) {
	assert(stopped);
	for (size_t i = 0; i < MAX_TIMERS; i++) {
		if (timers[i].source && timers[i].left > 0) {
			uint64_t left = timers[i].left;
			int r = set(timers[i].source, left > usec ? left - usec : 0, left);
			assert(r >= 0);
		}
	}
}

void clock_go_on(void) {
	stopped = false;
	memset(timers, 0, sizeof(timers));
}

void clock_hurry(void) {
	speed = 100;
}
