/* The connection to scanoutd. */
#ifndef SCANOUT_CTL_CLIENT_H
#define SCANOUT_CTL_CLIENT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "ctl/ctl.h"

/* Opens ctl->bus. Prints nothing; returns a negative errno. */
int client_open(struct ctl *ctl);

/* The sentence for a failed client_open(), to be freed; NULL without memory. */
char *client_open_advice(const struct ctl *ctl, int r);

/* Opens ctl->bus or reports why not. */
int client_connect(struct ctl *ctl);

/* Connects and reads all scanouts; *ret is an array of objects as in scanout.h. */
int client_list(struct ctl *ctl, cJSON **ret);

/* Like client_list(), but waits until the list is `enough`, or until the time is over. */
int client_wait(struct ctl *ctl, uint64_t usec, bool (*enough)(const cJSON *list), cJSON **ret);

/* Connects and reads the scanout that `word` names, by scanout_find(). The caller frees *ret. */
int client_find(struct ctl *ctl, const char *word, cJSON **ret);

/* Whether another session has the seat; false if the property cannot be read. */
bool client_is_paused(struct ctl *ctl);

#endif
