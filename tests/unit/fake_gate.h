/* Where the calls of the fake card wait, fail and are counted. */
#ifndef TESTS_FAKE_GATE_H
#define TESTS_FAKE_GATE_H

#include <stdbool.h>

/* The functions of `struct card_ops` that can be held, made to fail, and are counted. */
enum fake_op {
	FAKE_OPEN,
	FAKE_SNAPSHOT,
	FAKE_FORCE_CONNECT,
	FAKE_BLANK,
	FAKE_ADOPT,
	FAKE_READ_MODE,
	FAKE_CREATE,
	FAKE_REVOKE,
	FAKE_LIST,
	FAKE_MONITOR,
	FAKE_ENUMERATE,
	FAKE_FIND_NODE,
	FAKE_READ_EVENT,
	FAKE_N_OPS,
};

/* Calls of `op` wait at a gate until it is released: somebody holds the modeset lock. */
void fake_hold(enum fake_op op);
/* The same, but for the next `let` calls. */
void fake_hold_after(enum fake_op op, unsigned let);
void fake_release(enum fake_op op);
/* How many calls wait at the gate. */
unsigned fake_waiting(enum fake_op op);
/* After `skip` good calls the next `times` ones fail with `error` (negative). */
void fake_fail(enum fake_op op, unsigned skip, unsigned times, int error);
unsigned fake_count(enum fake_op op);
/* Called at the very beginning of every `op` of the event loop: what races with it. NULL: not. */
void fake_before(enum fake_op op, void (*hook)(void *data), void *data);
/* The card's file is its master, or another session's is: then most calls are EACCES. */
void fake_set_master(bool master);

/* For the fake's own files: its one lock, which fake_enter() takes and fake_leave() gives back. */
void fake_lock(void);
void fake_unlock(void);
/* Begins a call, with the lock on success and failure: 0 or the error it was told to have. */
int fake_enter(enum fake_op op);
/* Ends it with this result. */
int fake_leave(int result);
void fake_gates_reset(void);

#endif
