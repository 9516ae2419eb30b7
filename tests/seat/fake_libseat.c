/*
 * A libseat.so.1 that is not the real one, by $FAKE_LIBSEAT: "new" waits for the reply to
 * disable_seat as 0.9 does, "stuck" never comes back from opening its seat, and "dead" dies of it.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct header {
	uint16_t opcode, size;
};

EXPORT void *libseat_open_seat(const void *listener, void *data);
EXPORT int libseat_disable_seat(void *seat);
EXPORT int libseat_open_device(void *seat, const char *path, int *fd);

static int link_fd = -1;

/* The opcode of the next reply; events are passed over. */
static unsigned ask(uint16_t opcode, const void *payload, uint16_t size, int32_t *ret) {
	struct header header = {opcode, size};
	char rest[256];
	if (write(link_fd, &header, sizeof(header)) != sizeof(header) ||
		write(link_fd, payload, size) != size) {
		return 0;
	}
	do {
		if (recv(link_fd, &header, sizeof(header), MSG_WAITALL) != sizeof(header) ||
			(header.size > 0 &&
				recv(link_fd, rest, header.size, MSG_WAITALL) != header.size)) {
			return 0;
		}
	} while (header.opcode >= 0x8005 && header.opcode <= 0x8007);
	memcpy(ret, rest, sizeof(*ret));
	return header.opcode;
}

void *libseat_open_seat(const void *listener, void *data) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *how = getenv("FAKE_LIBSEAT");
	int32_t value;

	if (strcmp(how, "stuck") == 0) {
		pause();
	} else if (strcmp(how, "dead") == 0) {
		raise(SIGKILL);
	}
	strncpy(address.sun_path, getenv("SEATD_SOCK"), sizeof(address.sun_path) - 1);
	link_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(link_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		ask(1, "", 0, &value) != 0x8001) {
		return NULL;
	}
	return &link_fd;
}

int libseat_disable_seat(void *seat) {
	int32_t value;
	return ask(5, "", 0, &value) == 0x8009 ? 0 : -1;
}

int libseat_open_device(void *seat, const char *path, int *fd) {
	char payload[64];
	int32_t value;
	uint16_t length = strlen(path) + 1;
	memcpy(payload, &length, sizeof(length));
	strcpy(payload + sizeof(length), path);
	errno = ask(3, payload, sizeof(length) + length, &value) == 0xffff ? value : EBADMSG;
	if (errno != EBADMSG) {
		errno = EAGAIN; // 0.9.1 has looked at events meanwhile
	}
	return -1;
}
