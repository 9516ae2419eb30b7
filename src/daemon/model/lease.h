/* A scanout in somebody's hands, and the table of them. */
#ifndef SCANOUTD_LEASE_H
#define SCANOUTD_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/model/identity.h"
#include "daemon/model/scanout.h"

enum lease_end_reason {
	LEASE_RELEASED, // its holder asked
	LEASE_REVOKED,  // an admin asked
	LEASE_TAKEOVER, // replaced by a new one of its holder
	LEASE_CLOSED,   // the last copy of the fd was closed
	LEASE_UNPLUGGED,
	LEASE_DEVICE_GONE,
};

struct lease {
	struct scanout *scanout;
	uint32_t lessee; // the kernel's id; reused by the kernel once the lessee is gone
	uint64_t generation;
	struct identity holder;
	char label[SCANOUT_LABEL_MAX + 1]; // may be empty
	char *record;                      // of the state file, once printed
	TAILQ_ENTRY(lease) link;           // lease_table::leases
};

struct lease_table {
	TAILQ_HEAD(lease_list, lease) leases; // lease.link
	uint64_t last_generation;
};

void lease_table_init(struct lease_table *table);
/* Forgets all leases; the kernel's are untouched. */
void lease_table_finish(struct lease_table *table);

/* An empty lease, in no table: the allocation that may fail, before the kernel's part. */
struct lease *lease_new(const struct identity *holder, const char *label);
/* Enters it: the scanout is leased from now on. Cannot fail. */
void lease_begin(
	struct lease_table *table, struct lease *lease, struct scanout *scanout, uint32_t lessee);
/* The same with the generation that it had, for one that outlived the daemon. `lessee` 0: the
 * kernel has it, but its id is not known. */
void lease_adopt(struct lease_table *table, struct lease *lease, struct scanout *scanout,
	uint32_t lessee, uint64_t generation);
/* It is to be printed again. */
void lease_forget_record(struct lease *lease);
/* Takes it out of the table and off its scanout, and frees it. NULL is fine. */
void lease_destroy(struct lease_table *table, struct lease *lease);

struct lease *lease_find_label(
	const struct lease_table *table, const struct identity *holder, const char *label);
/* NULL if the table has no lease with that lessee on the card. */
struct lease *lease_find_lessee(
	const struct lease_table *table, const struct card *card, uint32_t lessee);
unsigned lease_count_held(const struct lease_table *table, const struct identity *holder);

/* Whether the kernel's list of `n` lessees has this one. */
bool lease_is_listed(const uint32_t *lessees, int n, uint32_t lessee);

/* "released", "revoked", "takeover", "closed", "unplugged", "device-gone". */
const char *lease_end_reason_name(enum lease_end_reason reason);

#endif
