/* systemd's fd store, where cards and what lingers rest while no daemon runs. */
#ifndef SCANOUTD_FDSTORE_H
#define SCANOUTD_FDSTORE_H

#include <stddef.h>
#include <stdint.h>

/* systemd's limit for FDNAME=. */
#define FDSTORE_NAME_MAX 256

/* What the names begin with. */
#define FDSTORE_CARD "card."
#define FDSTORE_LEASE "lease."

/* Stores a card's fd; `device` is for the log. */
void fdstore_keep_card(const char *device, const char *name, int fd);
/* Stores what a lease needs whose last picture is to linger. */
void fdstore_keep_lease(uint64_t generation, int copy_fd, int asker_fd);
void fdstore_forget_lease(uint64_t generation);
/* The name that both have there. */
void fdstore_lease_name(uint64_t generation, char *ret, size_t size);
/* Takes everything with that name out of the store; an empty name is fine. */
void fdstore_forget(const char *name);

#endif
