/*
 * What desktops in containers did before: each picture of a compositor without an output goes
 * through TCP, as it is (bgra) or converted for an encoder (nv12). A process for each receiver,
 * which sends as fast as that reads.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "args.h"

#define BACKLOG 16

struct sender {
	uint32_t width, height;
	bool is_nv12;
	uint8_t *picture;   // 4 bytes a pixel, as a compositor leaves it in shared memory
	uint8_t *converted; // NV12
};

/* BT.601, limited range, in integers; a quarter of the pixels gives the colour. */
static void convert(struct sender *sender) {
	const uint32_t width = sender->width, height = sender->height;
	uint8_t *luma = sender->converted, *chroma = luma + (size_t)width * height;

	for (uint32_t y = 0; y < height; y++) {
		const uint8_t *pixel = sender->picture + (size_t)y * width * 4;

		for (uint32_t x = 0; x < width; x++, pixel += 4) {
			const int b = pixel[0], g = pixel[1], r = pixel[2];

			*luma++ = (uint8_t)(((66 * r + 129 * g + 25 * b + 128) >> 8) + 16);
			if (y % 2 == 0 && x % 2 == 0) {
				*chroma++ =
					(uint8_t)(((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128);
				*chroma++ =
					(uint8_t)(((112 * r - 94 * g - 18 * b + 128) >> 8) + 128);
			}
		}
	}
}

static bool send_all(int fd, const uint8_t *data, size_t size) {
	while (size > 0) {
		const ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n <= 0) {
			return false;
		}
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static void serve(struct sender *sender, int fd) {
	const size_t size = (size_t)sender->width * sender->height;
	bool is_open = true;

	for (uint8_t shade = 0; is_open; shade++) {
		memset(sender->picture, shade, size / 4); // the sixteenth that has changed
		if (sender->is_nv12) {
			convert(sender);
		}
		is_open = sender->is_nv12 ? send_all(fd, sender->converted, size * 3 / 2)
					  : send_all(fd, sender->picture, size * 4);
	}
}

static int listen_on(uint16_t port) {
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int on = 1;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, BACKLOG) < 0) {
		perror("sender: listen");
		return -1;
	}
	return fd;
}

int main(int argc, char *argv[]) {
	struct sender sender = {0};
	uint64_t port = 0;

	if (argc != 4 || !args_mode(argv[2], &sender.width, &sender.height) ||
		!args_number(argv[3], UINT16_MAX, &port)) {
		fputs("usage: sender bgra|nv12 WIDTHxHEIGHT PORT\n", stderr);
		return 2;
	}
	sender.is_nv12 = strcmp(argv[1], "nv12") == 0;
	sender.picture = calloc(4, (size_t)sender.width * sender.height);
	sender.converted = malloc((size_t)sender.width * sender.height * 3 / 2);
	const int listener = listen_on((uint16_t)port);
	if (!sender.picture || !sender.converted || listener < 0) {
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		const int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(&sender, fd);
			_exit(0);
		}
		close(fd);
	}
}
