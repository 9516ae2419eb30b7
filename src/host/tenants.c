#include "host/tenants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void tenants_init(struct tenants *tenants) {
	TAILQ_INIT(&tenants->entries);
	tenants->n = 0;
}

static void destroy(struct tenants *tenants, struct tenant_entry *entry) {
	TAILQ_REMOVE(&tenants->entries, entry, link);
	tenants->n--;
	free(entry);
}

void tenants_clear(struct tenants *tenants) {
	while (!TAILQ_EMPTY(&tenants->entries)) {
		destroy(tenants, TAILQ_FIRST(&tenants->entries));
	}
}

void tenants_move(struct tenants *tenants, struct tenants *to) {
	tenants_clear(to);
	TAILQ_CONCAT(&to->entries, &tenants->entries, link);
	to->n = tenants->n;
	tenants_init(tenants);
}

static struct tenant_entry *find_scanout(const struct tenants *tenants, const char *scanout) {
	struct tenant_entry *entry;
	TAILQ_FOREACH (entry, &tenants->entries, link) {
		if (strcmp(entry->tenant.scanout, scanout) == 0) {
			return entry;
		}
	}
	return NULL;
}

static void insert(struct tenants *tenants, struct tenant_entry *entry) {
	struct tenant_entry *next;
	tenants->n++;
	TAILQ_FOREACH (next, &tenants->entries, link) {
		if (strcmp(entry->tenant.scanout, next->tenant.scanout) < 0) {
			TAILQ_INSERT_BEFORE(next, entry, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&tenants->entries, entry, link);
}

int tenants_grant(struct tenants *tenants, const struct tenant *tenant) {
	struct tenant_entry *entry = find_scanout(tenants, tenant->scanout);
	if (entry) {
		entry->tenant = *tenant;
		return 0;
	}
	if (tenants->n == TENANTS_MAX) {
		return -EXFULL;
	}
	entry = malloc(sizeof(*entry));
	if (!entry) {
		return -ENOMEM;
	}
	entry->tenant = *tenant;
	insert(tenants, entry);
	return 0;
}

void tenants_end(struct tenants *tenants, const char *scanout) {
	struct tenant_entry *entry = find_scanout(tenants, scanout);
	if (entry) {
		destroy(tenants, entry);
	}
}

const struct tenant *tenants_of_head(
	const struct tenants *tenants, const char *device, unsigned head) {
	const struct tenant_entry *entry;
	TAILQ_FOREACH (entry, &tenants->entries, link) {
		const struct tenant *tenant = &entry->tenant;
		if (tenant->head == head &&
			(!*tenant->device || strcmp(tenant->device, device) == 0)) {
			return tenant;
		}
	}
	return NULL;
}

int tenants_find(const struct tenants *tenants, const char *name, const struct tenant **ret) {
	const struct tenant_entry *found = find_scanout(tenants, name), *entry;
	if (found) {
		*ret = &found->tenant;
		return 0;
	}
	TAILQ_FOREACH (entry, &tenants->entries, link) {
		if (*name && strcmp(entry->tenant.label, name) == 0) {
			if (found) {
				return -ENOTUNIQ;
			}
			found = entry;
		}
	}
	if (!found) {
		return -ENXIO;
	}
	*ret = &found->tenant;
	return 0;
}
