/* Checks whether the host has memory for the framebuffers of all scanouts. */
#ifndef SCANOUT_CTL_HOSTMEMORY_H
#define SCANOUT_CTL_HOSTMEMORY_H

#include <cjson/cJSON.h>

#include "common/diagnosis.h"

/* Reads the kernel's log, which only root can; `told`: scanoutd has warned about it. */
void hostmemory_check(struct diagnosis *diagnosis, const cJSON *scanouts, bool told);

/* Whether a warning of scanoutd is about the host's memory. */
bool hostmemory_is_meant(const char *warning);

#endif
