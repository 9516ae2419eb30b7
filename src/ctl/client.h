/* The connection to scanoutd. */
#ifndef SCANOUT_CTL_CLIENT_H
#define SCANOUT_CTL_CLIENT_H

#include <cjson/cJSON.h>

#include "scanoutctl.h"

/* Opens ctl->bus; silent. Returns a negative errno. */
int client_open(struct ctl *ctl);

/* The sentence for a failed client_open(), to be freed; NULL without memory. */
char *client_open_advice(const struct ctl *ctl, int r);

/* Opens ctl->bus or reports why not. */
int client_connect(struct ctl *ctl);

/* Connects and reads all scanouts; *ret is an array of objects as in scanout.h. */
int client_list(struct ctl *ctl, cJSON **ret);

/* The same for the one that `word` names, as scanout_find() does; *ret is the caller's. */
int client_find(struct ctl *ctl, const char *word, cJSON **ret);

/* Whether another session has the seat; false if scanoutd does not say. */
bool client_is_paused(struct ctl *ctl);

#endif
