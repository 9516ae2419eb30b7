/* The leased output: its name, its modes, and its identity by EDID. */
#ifndef SCANOUT_RUN_OUTPUT_H
#define SCANOUT_RUN_OUTPUT_H

#include <stddef.h>

struct output_identity {
	char vendor[8];
	char product[16];
	char serial[16];
};

/* "Virtual-3" of "card0-Virtual-3". */
const char *output_name(const char *scanout_id);

/*
 * Finds the fastest mode of a size on a lease. -ENOENT if there is none; list then has the sizes of
 * all modes, in the kernel's order.
 */
int output_find_mode(int lease_fd, unsigned connector, unsigned width, unsigned height,
	double *ret_refresh, char *list, size_t list_size);

/* Which sizes the card supports. */
struct output_limits {
	unsigned min_width, min_height, max_width, max_height;
};
int output_read_limits(int lease_fd, struct output_limits *ret);

/* Reads the EDID's identity the way Mutter does; "unknown" without an EDID. */
void output_identify(const char *scanout_id, struct output_identity *ret);
/* Parses an EDID of any size. Negative errno if it is none. */
int output_parse_edid(const unsigned char *edid, size_t size, struct output_identity *ret);

#endif
