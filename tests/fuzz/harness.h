/* A seat over fake leases for the fuzz targets, made anew for every input. */
#ifndef SCANOUT_FUZZ_HARNESS_H
#define SCANOUT_FUZZ_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#include "seat/seat.h"

struct harness {
	sd_event *event;
	struct seat *seat;
	int n_held; // leases taken and not dropped
};

void harness_init(struct harness *harness);
/* Nothing may be held any more. */
void harness_finish(struct harness *harness);

/* Sends what a client says, hangs up after it, and runs the loop until nothing happens. */
void harness_feed(struct harness *harness, int fd, const void *data, size_t size);
/* Runs the loop until nothing happens. */
void harness_run(struct harness *harness);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
