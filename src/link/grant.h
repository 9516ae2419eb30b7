/* RequestScanout's argument and answer, as structs. */
#ifndef SCANOUT_LINK_GRANT_H
#define SCANOUT_LINK_GRANT_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct wish {
	const char *scanout;    // may be NULL
	const char *device;     // path of the card; may be NULL
	const char *label;      // may be NULL
	unsigned width, height; // 0: any
	uint64_t timeout_usec, linger_usec;
	bool spare;
	int for_fd; // an agent asks for who connected this socket; -1: for itself
};

struct grant {
	int fd, spare_fd; // owned; -1: none
	char *path;       // of the scanout's object
	char id[64];
	char device[64];
	uint32_t index, major, minor, connector;
	uint32_t width, height; // that the scanout prefers; 0: not known
	uint64_t generation;
};

/* Appends the a{sv} of options. */
int wish_append(const struct wish *wish, sd_bus_message *message);
/* Reads an answer; ret is written on success only. */
int grant_read(struct grant *ret, sd_bus_message *message);
/* Closes and frees what it has; it may be used again. */
void grant_finish(struct grant *grant);

#endif
