#include "wire/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/lines.h"

/* Forgets what is sent, but for the beginning of a line of which the rest is not. */
static void compact(struct outbox *outbox) {
	size_t start = outbox->sent;
	while (start > 0 && outbox->data[start - 1] != '\n') {
		start--;
	}
	outbox->used -= start;
	outbox->sent -= start;
	memmove(outbox->data, outbox->data + start, outbox->used);
}

static int append(struct outbox *outbox, const char *data, size_t size) {
	if (outbox->used + size > OUTBOX_MAX && outbox->sent > 0) {
		compact(outbox);
	}
	if (outbox->used + size > OUTBOX_MAX) {
		return -ENOBUFS;
	}
	if (outbox->used + size > outbox->room) {
		size_t room = 2 * (outbox->used + size);
		char *more = realloc(outbox->data, room);
		if (!more) {
			return -ENOMEM;
		}
		outbox->data = more;
		outbox->room = room;
	}
	memcpy(outbox->data + outbox->used, data, size);
	outbox->used += size;
	return 0;
}

int outbox_add(struct outbox *outbox, const struct message *message) {
	char line[LINES_MAX];
	int n = message_print(message, line, sizeof(line));
	return n < 0 ? n : append(outbox, line, (size_t)n);
}

int outbox_add_hello(struct outbox *outbox, const char *program) {
	struct message message = {.type = MESSAGE_HELLO, .hello.version = MESSAGE_VERSION};
	snprintf(message.hello.program, sizeof(message.hello.program), "%s", program);
	int r = append(outbox, "\n", 1);
	return r < 0 ? r : outbox_add(outbox, &message);
}

int outbox_write(struct outbox *outbox, int fd) {
	while (outbox->sent < outbox->used) {
		ssize_t n = write(fd, outbox->data + outbox->sent, outbox->used - outbox->sent);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno != EAGAIN) {
			return -errno;
		}
		if (n <= 0) {
			return 0;
		}
		outbox->sent += (size_t)n;
	}
	outbox_clear(outbox);
	return 1;
}

void outbox_drop(struct outbox *outbox) {
	size_t end = outbox->sent;
	if (end > 0 && outbox->data[end - 1] != '\n') {
		const char *newline = memchr(outbox->data + end, '\n', outbox->used - end);
		end = (size_t)(newline + 1 - outbox->data);
	}
	outbox->used = end;
}

void outbox_clear(struct outbox *outbox) {
	free(outbox->data);
	*outbox = (struct outbox){0};
}
