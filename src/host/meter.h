/* Counts the pictures of a scanout, and reads each of them once, as whoever encodes it has to. */
#ifndef SCANOUT_HOST_METER_H
#define SCANOUT_HOST_METER_H

#include "host/ages.h"
#include "host/qemu.h"

struct meter {
	char *title; // of the scanout, for the user
	struct screen screen;
	struct viewer viewer;
	struct listener *listener;
	enum screen_path path;
	bool is_seen, is_gone;
	uint64_t n_before; // pictures that had come when it began
	uint64_t n_come;   // of QEMU, since then
	uint64_t n_read;   // the newest of those that had come, each time
	uint64_t n_bytes;  // read
	struct ages ages;  // from a picture's coming to the end of its reading
	uint8_t *line;     // where a row is read to
	size_t line_size;  // bytes
};

/* Takes the title over, always. */
int meter_init(struct meter *meter, char *title);
void meter_finish(struct meter *meter, struct capture *capture);

/* Forgets what was counted. */
void meter_begin(struct meter *meter);
/* Reads what is new; to be called when the viewer's fd is readable. */
int meter_read(struct meter *meter);

#endif
