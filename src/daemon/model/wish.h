/* What a caller of RequestScanout wants. */
#ifndef SCANOUTD_WISH_H
#define SCANOUTD_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/model/scanout.h"

/* The longest `timeout`: a day. Longer ones are refused, as they are a mistake in the unit. */
#define WISH_TIMEOUT_MAX_USEC UINT64_C(86400000000)

struct wish {
	char scanout[64];                  // an id; empty = any
	char device[64];                   // a card's path; empty = any
	char label[SCANOUT_LABEL_MAX + 1]; // empty = none
	uint64_t timeout_usec;             // how long to wait for one; 0 = not at all
	bool takeover;                     // instead of the lease with this label
	bool spare;                        // an empty lease, too
	uint64_t linger_usec;              // how long the last picture stays when it ends
	bool serves;                       // an agent asks for whoever connected this socket:
	int served_fd;                     // the message's, good for as long as that is
};

#endif
