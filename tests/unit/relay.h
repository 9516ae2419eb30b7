/* A running daemon and the one that takes over, both in one process, on the same fake card. */
#ifndef TESTS_RELAY_H
#define TESTS_RELAY_H

#include "handover.h"
#include "passed.h"
#include "rig.h"
#include "successor.h"

struct relay {
	struct rig *rig; // the running one
	char *directory;
	struct handover *handover;
	unsigned n_replaced;

	/* The one that comes. */
	sd_event *event;
	struct manager next;
	struct successor successor;
	struct passed passed;
};

/* As cmocka's setup and teardown: four outputs of virtio-gpu, nobody has asked yet. */
int relay_setup(void **state);
int relay_teardown(void **state);

/* What the one that comes does, step by step. */
void relay_ask(struct relay *relay);
/* Returns 0 with the offer, or the error of a refusal. */
int relay_receive(struct relay *relay);
void relay_adopt(struct relay *relay);
/* What the end of its process does. */
void relay_die(struct relay *relay);

/* Whether the one that comes has the lease of this answer as its own. */
void assert_same_lease(struct relay *relay, const struct answer *answer, const char *label,
	const struct identity *holder);
bool is_readable(int fd);

#endif
