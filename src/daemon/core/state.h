/*
 * What survives the daemon: the master fds, which rest in systemd's fd store, and the table of
 * leases in leases.json beside it. The kernel keeps a lease as long as some copy of the master fd
 * is open; the file only says whose it is.
 */
#ifndef SCANOUTD_STATE_H
#define SCANOUTD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/state_record.h"

struct card_list;
struct lease_table;

struct state {
	char *path;               // NULL: nothing is saved
	struct state_table table; // what was read at the start
};

/*
 * Reads `directory`/leases.json; a file that is absent, torn, foreign or of another version costs
 * the names of the holders, nothing else: it is logged and left. `directory` NULL: no file.
 */
void state_init(struct state *state, const char *directory);
void state_finish(struct state *state);

/* Takes what the file has of that open file, with its fds. Returns how many there are. */
size_t state_take(
	struct state *state, const char *store_name, struct state_lease ret[CARD_MAX_OBJECTS]);
/* The other way round, for those that the file had: not for the nameless. */
void state_give_back(
	struct state *state, const char *store_name, struct state_lease *leases, size_t n);

/*
 * Writes the table, all or nothing. A failure is logged: the leases do not depend on it. An older
 * table is removed then.
 */
void state_save(
	struct state *state, const struct card_list *cards, const struct lease_table *leases);

/* Takes ownership of a lease's fd or pidfd that systemd passed under `name`. */
void state_give(struct state *state, const char *name, int fd);

#endif
