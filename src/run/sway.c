#include "run/sway.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/socket.h"
#include "run/modeline.h"

/* sway-ipc(7): a magic, the size of what follows, and a type; in host byte order. */
#define MAGIC "i3-ipc"
#define TYPE_RUN_COMMAND 0
struct header {
	char magic[6];
	uint32_t size;
	uint32_t type;
} __attribute__((packed));

void sway_finish(struct sway *sway) {
	sd_event_source_disable_unref(sway->reply);
	free(sway->path);
}

void sway_forget(const struct sway *sway) {
	if (sway->path) {
		(void)unlink(sway->path);
	}
}

/* One that hangs up before it has its answer is not heard (sway 1.7: ipc-server.c). */
static int handle_reply(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct sway *sway = data;
	char text[512];
	ssize_t size = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (size > (ssize_t)sizeof(struct header)) {
		text[size] = '\0';
		const char *reply = text + sizeof(struct header);
		if (strstr(reply, "\"success\": false")) {
			say("sway did not take the new size: %s", reply);
		}
	}
	sway->reply = sd_event_source_disable_unref(sway->reply);
	return 0;
}

int sway_resize(
	struct sway *sway, sd_event *event, const char *output, unsigned width, unsigned height) {
	char command[64 + MODELINE_SIZE], modeline[MODELINE_SIZE];
	/* sway does not know the modes that came with the new size, and wlroots' own custom ones
	 * are rounded to a multiple of 8, upon which sway 1.7 crashes. */
	modeline_print(width, height, modeline, sizeof(modeline));
	int size = snprintf(command, sizeof(command), "output %s modeline %s", output, modeline);
	struct header header = {.magic = MAGIC, .size = size, .type = TYPE_RUN_COMMAND};
	struct iovec parts[] = {{&header, sizeof(header)}, {command, size}};

	AUTO_CLOSE int fd = socket_connect(sway->path);
	if (fd < 0) {
		return fd;
	}
	if (writev(fd, parts, 2) != (ssize_t)sizeof(header) + size) {
		return -EIO;
	}
	sway->reply = sd_event_source_disable_unref(sway->reply);
	int r = sd_event_add_io(event, &sway->reply, fd, EPOLLIN, handle_reply, sway);
	if (r < 0) {
		return r;
	}
	(void)sd_event_source_set_io_fd_own(sway->reply, 1);
	fd = -1;
	return 0;
}
