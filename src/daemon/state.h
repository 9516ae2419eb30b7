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
#define STATE_LEASE_PREFIX "lease."

/* One lease, as the file has it, or a picture that lingers after one. */
struct state_lease {
	uint32_t lessee;
	uint64_t generation, since;
	struct card_objects objects;
	struct identity holder;
	char label[SCANOUT_LABEL_MAX + 1];
	uint64_t linger_usec;  // 0: the last picture goes with the lease
	uint64_t until;        // CLOCK_MONOTONIC; 0: a lease
	uint32_t framebuffer;  // of the picture that lingers
	int copy_fd, asker_fd; // from systemd's store, see linger.h; -1 without
};

struct state_card {
	char store_name[CARD_STORE_NAME_MAX]; // of the very open file that the leases belong to
	struct state_lease leases[CARD_MAX_OBJECTS];
	size_t n_leases;
};

struct state {
	char *path; // NULL: nothing is saved
	uint64_t last_generation;
	struct state_card *cards; // what was read at the start
	size_t n_cards;
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
void state_lease_finish(struct state_lease *lease);

/*
 * Writes the manager's table, all or nothing. A failure is logged: the leases do not depend on it.
 * An older table is removed then.
 */
void state_save(struct state *state, const struct manager *manager);

/*
 * The same table in a file in memory, for a daemon that takes over. The caller owns the fd; or a
 * negative errno.
 */
int state_export(const struct manager *manager);
/* Reads that, in place of what state_init() read. Returns 0 or a negative errno. */
int state_import(struct state *state, int fd);

/* The name of the card's open file, which no other one ever has. */
void state_name_card(struct card *card);
/* Gives the fd to systemd's store, under its name. */
void state_keep_card(const struct card *card);
/* Takes the fd out of the store: the card is gone, or its leases shall end. */
void state_forget_card(const char *store_name);

/* The same for what a lease needs whose last picture is to linger. */
void state_keep_lease(uint64_t generation, int copy_fd, int asker_fd);
void state_forget_lease(uint64_t generation);
/* The name that they have there. */
void state_print_lease_name(uint64_t generation, char *ret, size_t size);
/* One of those fds, as the last daemon or systemd passed it, becomes the state's. */
void state_give(struct state *state, const char *name, int fd);

#endif
