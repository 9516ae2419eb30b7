#include "fake_gate.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct fake_gate {
	bool held;
	unsigned let; // past it all the same
	unsigned waiting, count;
	unsigned skip, failures;
	int error;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fake_gate gates[FAKE_N_OPS];
	bool no_master;
	enum fake_op before_op;
	void (*before)(void *data);
	void *before_data;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void fake_lock(void) {
	pthread_mutex_lock(&fake.lock);
}

void fake_unlock(void) {
	pthread_mutex_unlock(&fake.lock);
}

void fake_gates_reset(void) {
	memset(fake.gates, 0, sizeof(fake.gates));
	fake.no_master = false;
	fake.before = NULL;
}

int fake_enter(enum fake_op op) {
	struct fake_gate *gate = &fake.gates[op];
	if (fake.before && fake.before_op == op) {
		fake.before(fake.before_data);
	}
	fake_lock();
	gate->count++;
	gate->waiting++;
	while (gate->held && gate->let == 0) {
		pthread_cond_wait(&fake.changed, &fake.lock);
	}
	gate->let -= gate->let > 0;
	gate->waiting--;
	if (gate->skip > 0) {
		gate->skip--;
	} else if (gate->failures > 0) {
		gate->failures--;
		return gate->error;
	}
	/* DRM_MASTER in the table of drm_ioctl.c. */
	bool for_masters = op == FAKE_BLANK || op == FAKE_ADOPT || op == FAKE_CREATE ||
			   op == FAKE_REVOKE || op == FAKE_LIST;
	return for_masters && fake.no_master ? -EACCES : 0;
}

int fake_leave(int result) {
	fake_unlock();
	return result;
}

void fake_hold(enum fake_op op) {
	fake_hold_after(op, 0);
}

void fake_hold_after(enum fake_op op, unsigned let) {
	fake_lock();
	fake.gates[op].held = true;
	fake.gates[op].let = let;
	fake_unlock();
}

void fake_release(enum fake_op op) {
	fake_lock();
	fake.gates[op].held = false;
	pthread_cond_broadcast(&fake.changed);
	fake_unlock();
}

unsigned fake_waiting(enum fake_op op) {
	fake_lock();
	unsigned n = fake.gates[op].waiting;
	fake_unlock();
	return n;
}

void fake_fail(enum fake_op op, unsigned skip, unsigned times, int error) {
	fake_lock();
	fake.gates[op].skip = skip;
	fake.gates[op].failures = times;
	fake.gates[op].error = error;
	fake_unlock();
}

unsigned fake_count(enum fake_op op) {
	fake_lock();
	unsigned n = fake.gates[op].count;
	fake_unlock();
	return n;
}

void fake_set_master(bool master) {
	fake_lock();
	fake.no_master = !master;
	fake_unlock();
}

void fake_before(enum fake_op op, void (*hook)(void *data), void *data) {
	fake.before_op = op;
	fake.before = hook;
	fake.before_data = data;
}
