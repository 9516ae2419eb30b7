/* The arguments and the reply of RequestScanout, as structs. */
#ifndef SCANOUT_LIB_REQUEST_CALL_H
#define SCANOUT_LIB_REQUEST_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct scanout_request {
	const char *scanout;             // may be NULL
	const char *device;              // path of the card; may be NULL
	const char *label;               // may be NULL
	uint32_t width, height, refresh; // 0: any; refresh in mHz
	uint64_t timeout_usec, linger_usec;
	bool spare, takeover;
	int for_fd; // of an agent: the socket of the process to request for; -1: for itself
};

struct scanout_grant {
	int fd, spare_fd; // owned; -1: none
	char *path;       // of the scanout's object
	char id[64];
	char device[64];
	uint32_t index, major, minor, connector;
	uint32_t width, height; // that the scanout prefers; 0: unknown
	uint64_t generation;
};

/* Appends the a{sv} of options. */
int scanout_request_append(const struct scanout_request *request, sd_bus_message *message);
/* Reads a reply; ret is written only on success. */
int scanout_grant_read(struct scanout_grant *ret, sd_bus_message *message);
/* Closes its fds and frees its memory; it may be used again. */
void scanout_grant_finish(struct scanout_grant *grant);

#endif
