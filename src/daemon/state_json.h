/* The format of leases.json. */
#ifndef SCANOUTD_STATE_JSON_H
#define SCANOUTD_STATE_JSON_H

struct manager;
struct state;

/* Fills in generation and cards. Returns 0, or -EINVAL with `state` as it was. */
int state_parse(struct state *state, const char *text);

/* The manager's leases as text; cJSON_free() it. NULL without memory. */
char *state_print(const struct manager *manager);

#endif
