/* Who has which scanout of a VM, as the VM tells it. */
#ifndef SCANOUT_HOST_TENANTS_H
#define SCANOUT_HOST_TENANTS_H

#include <sys/queue.h>

#include "wire/message.h"

#define TENANTS_MAX 256 // of a VM; more are refused

struct tenant_entry {
	struct tenant tenant;
	TAILQ_ENTRY(tenant_entry) link; // tenants.entries
};

struct tenants {
	TAILQ_HEAD(tenant_list, tenant_entry) entries; // tenant_entry.link, by scanout
	unsigned n;
};

void tenants_init(struct tenants *tenants);
void tenants_clear(struct tenants *tenants);
/* Gives all to `to`, which is cleared first. */
void tenants_move(struct tenants *tenants, struct tenants *to);

/* Instead of the one that its scanout has. -EXFULL: there are too many. */
int tenants_grant(struct tenants *tenants, const struct tenant *tenant);
void tenants_end(struct tenants *tenants, const char *scanout);

/* Of a head, NULL if there is none; a tenant whose GPU is not known counts for each. */
const struct tenant *tenants_of_head(
	const struct tenants *tenants, const char *device, unsigned head);
/*
 * By the VM's name of a scanout, or else by a label. -ENXIO: there is none; -ENOTUNIQ: several have
 * this label.
 */
int tenants_find(const struct tenants *tenants, const char *name, const struct tenant **ret);

#endif
