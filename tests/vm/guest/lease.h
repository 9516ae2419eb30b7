/* Where a test program gets its output from: an inherited fd, or scanoutd over the system bus. */
#ifndef GUEST_LEASE_H
#define GUEST_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define LEASE_FD_VARIABLE "SCANOUT_LEASE_FD"

struct lease_wish {
	const char *scanout;   // NULL: any
	const char *label;     // NULL: none
	bool takeover;         // instead of the own lease with that label
	uint64_t timeout_usec; // how long to wait for a free scanout
};

struct lease {
	int fd;      // close-on-exec
	char id[64]; // 'card0-Virtual-3', empty when only the fd is known
	uint32_t index;
	uint32_t lessee; // 0 when only the fd is known
	uint64_t generation;
};

/* The RequestScanout call for a wish, not sent yet. */
int lease_new_request(sd_bus *bus, const struct lease_wish *wish, sd_bus_message **ret);

/*
 * Calls RequestScanout and takes the lease out of the reply. A refusal is in ret_error, which is
 * set whenever the call fails.
 */
int lease_request(
	sd_bus *bus, const struct lease_wish *wish, sd_bus_error *ret_error, struct lease *ret);

/* True if the environment names a lease fd. */
bool lease_is_inherited(void);

/* Takes the fd that the environment names. */
int lease_inherit(struct lease *ret);

/* lease_request() on a system bus connection of its own, closed again before it returns. */
int lease_ask(const struct lease_wish *wish, sd_bus_error *ret_error, struct lease *ret);

/* Gives a lease of which only the fd is known the id that its card and connector make. */
void lease_name(struct lease *lease, const char *connector, uint32_t index);

#endif
