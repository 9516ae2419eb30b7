/* Starts several systemd units at once. */
#ifndef SCANOUT_CTL_UNITS_H
#define SCANOUT_CTL_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

struct unit {
	char name[160];
	char problem[128]; // why it could not be started, or ""
	char job[128];     // the job of systemd, until it has ended
	bool ended;        // it is started, or has a problem
};

/* Starts those that have not ended, and returns when each is started or has failed. */
void units_start(sd_bus *bus, struct unit *units, size_t n);

#endif
