/* The format of leases.json. */
#ifndef SCANOUTD_STATE_JSON_H
#define SCANOUTD_STATE_JSON_H

#include "daemon/model/card.h"
#include "daemon/model/lease.h"
#include "daemon/model/state_record.h"

/* Returns 0, or a negative errno with `table` as it was. */
int state_parse(struct state_table *table, const char *text);

/* The leases, and the pictures that linger, as text; cJSON_free() it. NULL without memory. */
char *state_print(const struct card_list *cards, const struct lease_table *leases);

#endif
