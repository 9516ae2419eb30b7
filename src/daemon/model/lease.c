#include "daemon/model/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *lease_end_reason_name(enum lease_end_reason reason) {
	static const char *const names[] = {
		[LEASE_RELEASED] = "released",
		[LEASE_REVOKED] = "revoked",
		[LEASE_TAKEOVER] = "takeover",
		[LEASE_CLOSED] = "closed",
		[LEASE_UNPLUGGED] = "unplugged",
		[LEASE_DEVICE_GONE] = "device-gone",
	};
	return names[reason];
}

void lease_table_init(struct lease_table *table) {
	TAILQ_INIT(&table->leases);
	table->last_generation = 0;
}

void lease_table_finish(struct lease_table *table) {
	while (!TAILQ_EMPTY(&table->leases)) {
		lease_destroy(table, TAILQ_FIRST(&table->leases));
	}
}

struct lease *lease_new(const struct identity *holder, const char *label) {
	struct lease *lease = calloc(1, sizeof(*lease));
	if (lease) {
		lease->holder = *holder;
		snprintf(lease->label, sizeof(lease->label), "%s", label ? label : "");
	}
	return lease;
}

void lease_adopt(struct lease_table *table, struct lease *lease, struct scanout *scanout,
	uint32_t lessee, uint64_t generation) {
	lease->scanout = scanout;
	lease->lessee = lessee;
	lease->generation = generation;
	if (generation > table->last_generation) {
		table->last_generation = generation;
	}
	scanout->lease = lease;
	scanout->generation = generation;
	scanout->last_holder = lease->holder;
	snprintf(scanout->last_label, sizeof(scanout->last_label), "%s", lease->label);
	TAILQ_INSERT_TAIL(&table->leases, lease, link);
}

void lease_begin(
	struct lease_table *table, struct lease *lease, struct scanout *scanout, uint32_t lessee) {
	lease_adopt(table, lease, scanout, lessee, table->last_generation + 1);
}

void lease_forget_record(struct lease *lease) {
	free(lease->record);
	lease->record = NULL;
}

void lease_destroy(struct lease_table *table, struct lease *lease) {
	if (!lease) {
		return;
	}
	if (lease->scanout) {
		lease->scanout->lease = NULL;
		TAILQ_REMOVE(&table->leases, lease, link);
	}
	free(lease->record);
	free(lease);
}

struct lease *lease_find_label(
	const struct lease_table *table, const struct identity *holder, const char *label) {
	struct lease *lease;
	TAILQ_FOREACH (lease, &table->leases, link) {
		if (strcmp(lease->label, label) == 0 &&
			identity_same_holder(&lease->holder, holder)) {
			return lease;
		}
	}
	return NULL;
}

struct lease *lease_find_lessee(
	const struct lease_table *table, const struct card *card, uint32_t lessee) {
	struct lease *lease;
	TAILQ_FOREACH (lease, &table->leases, link) {
		if (lease->scanout->card == card && lease->lessee == lessee) {
			return lease;
		}
	}
	return NULL;
}

unsigned lease_count_held(const struct lease_table *table, const struct identity *holder) {
	unsigned n = 0;
	struct lease *lease;
	TAILQ_FOREACH (lease, &table->leases, link) {
		n += identity_same_quota(&lease->holder, holder);
	}
	return n;
}

bool lease_is_listed(const uint32_t *lessees, int n, uint32_t lessee) {
	for (int i = 0; i < n; i++) {
		if (lessees[i] == lessee) {
			return true;
		}
	}
	return false;
}
