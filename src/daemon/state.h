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

#include "card.h"
#include "identity.h"
#include "scanout.h"

struct manager;

#define STATE_MAX_CARDS 64
#define STATE_FD_PREFIX "card."

/* One lease, as the file has it. */
struct state_lease {
	uint32_t lessee;
	uint64_t generation, since;
	struct card_objects objects;
	struct identity holder;
	char label[SCANOUT_LABEL_MAX + 1];
};

struct state_card {
	char store_name[CARD_STORE_NAME_MAX]; // of the very open file that the leases belong to
	struct state_lease leases[CARD_MAX_OBJECTS];
	size_t n_leases;
};

struct state {
	char *path; // NULL: nothing is saved
	uint64_t last_generation;
	struct state_card *cards; // what was read at the start; NULL after that
	size_t n_cards;
};

/*
 * Reads `directory`/leases.json; a file that is absent, torn, foreign or of another version costs
 * the names of the holders, nothing else: it is logged and left. `directory` NULL: no file.
 */
void state_init(struct state *state, const char *directory);
void state_finish(struct state *state);

/* The leases of the open file that the store has under this name, or NULL. */
const struct state_card *state_find(const struct state *state, const char *store_name);

/* Writes the manager's table, all or nothing. A failure is logged: the leases do not depend on it.
 */
void state_save(struct state *state, const struct manager *manager);

/* Gives the card a name and its fd to systemd's store. */
void state_keep_card(struct card *card);
/* Takes the fd out of the store: the card is gone, or its leases shall end. */
void state_forget_card(const char *store_name);

#endif
