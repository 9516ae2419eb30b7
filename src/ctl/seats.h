/* The seats in the VM that the devices of a CDI specification use. */
#ifndef SCANOUT_CTL_SEATS_H
#define SCANOUT_CTL_SEATS_H

#include "common/cleanup.h"
#include "ctl/ctl.h"

/*
 * Writes the seats' files below root, and starts their sockets if `start` is set. Reports each bad
 * seat and removes its devices from the array. Returns the number of bad seats, or -ENOMEM.
 */
int seats_prepare(struct ctl *ctl, const char *root, bool start, cJSON *devices);

#endif
