/* A scanout in scanoutctl: the JSON object that --json prints and the man page documents. */
#ifndef SCANOUT_CTL_SCANOUT_H
#define SCANOUT_CTL_SCANOUT_H

#include <cjson/cJSON.h>
#include <systemd/sd-bus.h>

#include "ctl/ctl.h"

/* Reads the aa{sv} of ListScanouts into an array of scanouts. */
int scanout_read_list(sd_bus_message *m, cJSON **ret);

/* Reads one a{sv} of scanout properties. */
int scanout_read(sd_bus_message *m, cJSON **ret);

/*
 * Finds the one scanout that `word` names: its id, else its label or index. *ret belongs to the
 * list.
 */
int scanout_find(struct ctl *ctl, cJSON *list, const char *word, cJSON **ret);

/* "podman:1a2b3c4d5e6f uid 1000 pid 812", to be freed; takes the scanout's holder, may be null. */
char *scanout_holder_text(const cJSON *holder);

/* "1920x1080@60", "-" without a mode, to be freed. */
char *scanout_mode_text(const cJSON *scanout);

/* The colour of a state for a terminal: an SGR code, or NULL. */
const char *scanout_state_color(const char *state);

#endif
