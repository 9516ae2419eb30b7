/* Messages on their way out, of which the other side may read as few as it likes. */
#ifndef SCANOUT_WIRE_OUTBOX_H
#define SCANOUT_WIRE_OUTBOX_H

#include "wire/message.h"

#define OUTBOX_MAX 262144 // bytes: more than the tenants of all scanouts need

struct outbox {
	char *data;
	size_t used, room; // bytes of data
	size_t sent;       // of those that are used
};

/* Appends a message. -ENOBUFS: there is no room, and nothing was appended; or as message_print().
 */
int outbox_add(struct outbox *outbox, const struct message *message);
/* The same for a hello. It is understood whatever there was before it, half a line too. */
int outbox_add_hello(struct outbox *outbox, const char *program);
/* Writes what the other side takes. Returns 1 if that was all, 0 if not, or a negative errno. */
int outbox_write(struct outbox *outbox, int fd);
/* Drops all but the rest of a line that was begun. */
void outbox_drop(struct outbox *outbox);
/* Drops that as well; the struct can be used again. */
void outbox_clear(struct outbox *outbox);

#endif
