#include "seat/seatd.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/socket.h"

#define MAX_CLIENTS 32
#define MAX_DEVICES 128
#define MAX_PATH 256
/* The longest request: a header, a length and a path. */
#define MAX_REQUEST (sizeof(struct header) + sizeof(uint16_t) + MAX_PATH)

enum {
	CLIENT_OPEN_SEAT = 1,
	CLIENT_CLOSE_SEAT = 2,
	CLIENT_OPEN_DEVICE = 3,
	CLIENT_CLOSE_DEVICE = 4,
	CLIENT_DISABLE_SEAT = 5,
	CLIENT_SWITCH_SESSION = 6,
	CLIENT_PING = 7,

	SERVER_SEAT_OPENED = 0x8001,
	SERVER_SEAT_CLOSED = 0x8002,
	SERVER_DEVICE_OPENED = 0x8003,
	SERVER_DEVICE_CLOSED = 0x8004,
	SERVER_DISABLE_SEAT = 0x8005,
	SERVER_ENABLE_SEAT = 0x8006,
	SERVER_PONG = 0x8007,
	SERVER_SESSION_SWITCHED = 0x8008,
	SERVER_SEAT_DISABLED = 0x8009,
	SERVER_ERROR = 0xffff,
};

/* Host byte order, both of them. The size is that of what follows. */
struct header {
	uint16_t opcode;
	uint16_t size;
};

enum client_state {
	CLIENT_NEW,      // has not opened the seat
	CLIENT_WAITING,  // has, but it is another's, or paused
	CLIENT_ENABLED,  // the seat is its own
	CLIENT_DISABLING // was told to stop, has not said that it did
};

enum device {
	DEVICE_NONE,
	DEVICE_INPUT,
	DEVICE_CARD,
};

struct seatd_client {
	struct seat_client base;
	struct seatd *seatd;
	sd_event_source *source; // owns fd
	int fd;
	enum client_state state;
	unsigned char devices[MAX_DEVICES]; // enum device, by id - 1
	size_t filled;
	unsigned char request[MAX_REQUEST];
	TAILQ_ENTRY(seatd_client) link; // seatd.clients
};

static void client_send(
	struct seatd_client *client, uint16_t opcode, const void *payload, uint16_t size, int fd) {
	struct header header = {.opcode = opcode, .size = size};
	struct iovec parts[2] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)payload, .iov_len = size},
	};
	socket_send(client->fd, parts, 2, fd);
}

static void send_empty(struct seatd_client *client, uint16_t opcode) {
	client_send(client, opcode, NULL, 0, -1);
}

/* Takes a negative errno; the protocol wants it positive. */
static void send_error(struct seatd_client *client, int error) {
	int32_t code = -error;
	client_send(client, SERVER_ERROR, &code, sizeof(code), -1);
}

static void client_enable(struct seatd_client *client) {
	client->state = CLIENT_ENABLED;
	send_empty(client, SERVER_ENABLE_SEAT);
}

/* The seat goes to the client that has waited longest. */
static void seatd_next(struct seatd *seatd) {
	struct seatd_client *client;
	if (seatd->active || !seatd->seat->active) {
		return;
	}
	TAILQ_FOREACH (client, &seatd->clients, link) {
		if (client->state == CLIENT_WAITING) {
			seatd->active = client;
			client_enable(client);
			return;
		}
	}
}

static void client_leave_seat(struct seatd_client *client) {
	struct seatd *seatd = client->seatd;
	memset(client->devices, DEVICE_NONE, sizeof(client->devices));
	client->state = CLIENT_NEW;
	seat_close_card(&client->base);
	if (seatd->active == client) {
		seatd->active = NULL;
		seatd_next(seatd);
	}
}

static void client_destroy(struct seatd_client *client) {
	struct seatd *seatd = client->seatd;
	TAILQ_REMOVE(&seatd->clients, client, link);
	seatd->n_clients--;
	client_leave_seat(client);
	seat_client_finish(&client->base);
	sd_event_source_disable_unref(client->source);
	free(client);
}

static void client_pause(struct seat_client *base) {
	struct seatd_client *client = (struct seatd_client *)base;
	if (client->state == CLIENT_ENABLED && client->seatd->dialect != SEATD_DIALECT_UNKNOWN) {
		client->state = CLIENT_DISABLING;
		send_empty(client, SERVER_DISABLE_SEAT);
	}
}

/* One that still owes its word that it has stopped is enabled when that comes. */
static void client_resume(struct seat_client *base) {
	struct seatd_client *client = (struct seatd_client *)base;
	if (client->seatd->active == client && client->state == CLIENT_WAITING) {
		client_enable(client);
	}
	seatd_next(client->seatd);
}

static const struct seat_client_impl client_impl = {
	.pause = client_pause,
	.resume = client_resume,
};

static int handle_open_seat(struct seatd_client *client) {
	const char *name = client->base.seat->name;
	uint16_t length = strlen(name);
	unsigned char payload[sizeof(length) + 64];

	if (client->state != CLIENT_NEW || length > 64) {
		return -EPROTO;
	}
	memcpy(payload, &length, sizeof(length));
	memcpy(payload + sizeof(length), name, length);
	client_send(client, SERVER_SEAT_OPENED, payload, sizeof(length) + length, -1);
	client->state = CLIENT_WAITING;
	seatd_next(client->seatd);
	return 0;
}

static int handle_close_seat(struct seatd_client *client) {
	if (client->state == CLIENT_NEW) {
		return -EPROTO;
	}
	client_leave_seat(client);
	send_empty(client, SERVER_SEAT_CLOSED);
	return 0;
}

static int find_free_device(const struct seatd_client *client) {
	const unsigned char *slot = memchr(client->devices, DEVICE_NONE, MAX_DEVICES);
	return slot ? slot - client->devices : -EMFILE;
}

static int handle_open_device(
	struct seatd_client *client, const unsigned char *payload, size_t size) {
	uint16_t length;
	if (size < sizeof(length)) {
		return -EPROTO;
	}
	memcpy(&length, payload, sizeof(length));
	const char *path = (const char *)payload + sizeof(length);
	if (length == 0 || length != size - sizeof(length) || path[length - 1] != '\0') {
		return -EPROTO;
	}
	if (client->state != CLIENT_ENABLED) {
		send_error(client, -EPERM);
		return 0;
	}

	int slot = find_free_device(client);
	AUTO_CLOSE int fd = slot < 0 ? slot : seat_open_path(&client->base, path);
	if (fd < 0) {
		send_error(client, fd);
		return 0;
	}
	client->devices[slot] =
		strcmp(path, client->base.seat->card) == 0 ? DEVICE_CARD : DEVICE_INPUT;
	int32_t id = slot + 1;
	client_send(client, SERVER_DEVICE_OPENED, &id, sizeof(id), fd);
	return 0;
}

static int handle_close_device(
	struct seatd_client *client, const unsigned char *payload, size_t size) {
	int32_t id;
	if (size != sizeof(id)) {
		return -EPROTO;
	}
	memcpy(&id, payload, sizeof(id));
	if (id < 1 || id > MAX_DEVICES || client->devices[id - 1] == DEVICE_NONE) {
		send_error(client, -EBADF);
		return 0;
	}
	if (client->devices[id - 1] == DEVICE_CARD) {
		seat_close_card(&client->base);
	}
	client->devices[id - 1] = DEVICE_NONE;
	send_empty(client, SERVER_DEVICE_CLOSED);
	return 0;
}

/* The client's word that it has stopped. */
static int handle_disable_seat(struct seatd_client *client) {
	bool was_asked = client->state == CLIENT_DISABLING;
	if (was_asked) {
		client->state = CLIENT_WAITING;
	}
	if (client->seatd->dialect != SEATD_DIALECT_0_7) {
		send_empty(client, SERVER_SEAT_DISABLED);
	}
	if (was_asked && client->base.seat->active) {
		client_enable(client);
	}
	return 0;
}

/* There is no other session to switch to. */
static int handle_switch_session(struct seatd_client *client, size_t size) {
	if (size != sizeof(int32_t)) {
		return -EPROTO;
	}
	if (client->seatd->dialect != SEATD_DIALECT_0_7) {
		send_empty(client, SERVER_SESSION_SWITCHED);
	}
	return 0;
}

/* Negative errno if the client does not speak the protocol. */
static int client_dispatch(
	struct seatd_client *client, uint16_t opcode, const unsigned char *payload, size_t size) {
	switch (opcode) {
	case CLIENT_OPEN_DEVICE:
		return handle_open_device(client, payload, size);
	case CLIENT_CLOSE_DEVICE:
		return handle_close_device(client, payload, size);
	case CLIENT_SWITCH_SESSION:
		return handle_switch_session(client, size);
	}
	if (size != 0) {
		return -EPROTO;
	}
	switch (opcode) {
	case CLIENT_OPEN_SEAT:
		return handle_open_seat(client);
	case CLIENT_CLOSE_SEAT:
		return handle_close_seat(client);
	case CLIENT_DISABLE_SEAT:
		return handle_disable_seat(client);
	case CLIENT_PING:
		send_empty(client, SERVER_PONG);
		return 0;
	default:
		return -EPROTO;
	}
}

/* Works off every whole request in the buffer. */
static int client_parse(struct seatd_client *client) {
	size_t used = 0;
	struct header header;

	while (client->filled - used >= sizeof(header)) {
		memcpy(&header, client->request + used, sizeof(header));
		if (sizeof(header) + header.size > MAX_REQUEST) {
			return -EMSGSIZE;
		}
		if (client->filled - used < sizeof(header) + header.size) {
			break;
		}
		int r = client_dispatch(client, header.opcode,
			client->request + used + sizeof(header), header.size);
		if (r < 0) {
			return r;
		}
		used += sizeof(header) + header.size;
	}
	memmove(client->request, client->request + used, client->filled - used);
	client->filled -= used;
	return 0;
}

/* One buffer's worth per round, so that a flood from one client leaves the others their turn. */
static int handle_input(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct seatd_client *client = data;
	/* recv() without room for them: the kernel drops descriptors a client might send. */
	ssize_t size = recv(
		fd, client->request + client->filled, MAX_REQUEST - client->filled, MSG_DONTWAIT);
	if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (size > 0) {
		client->filled += size;
	}
	if (size <= 0 || client_parse(client) < 0) {
		client_destroy(client);
	}
	return 0;
}

int seatd_adopt(struct seatd *seatd, int fd) {
	struct seatd_client *client = calloc(1, sizeof(*client));
	int r = client && seatd->n_clients < MAX_CLIENTS ? 0 : -ENOBUFS;
	if (r == 0 && !seat_admits(seatd->seat, fd)) {
		r = -EACCES;
	}
	if (r == 0) {
		r = sd_event_add_io(
			seatd->event, &client->source, fd, EPOLLIN, handle_input, client);
	}
	if (r < 0) {
		free(client);
		close(fd);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(client->source, 1);
	client->seatd = seatd;
	client->fd = fd;
	seat_client_init(&client->base, seatd->seat, &client_impl, fd);
	TAILQ_INSERT_TAIL(&seatd->clients, client, link);
	seatd->n_clients++;
	return 0;
}

static int handle_connection(sd_event_source *source, int fd, uint32_t revents, void *data) {
	int client = socket_accept(fd);
	if (client >= 0) {
		(void)seatd_adopt(data, client);
	}
	return 0;
}

int seatd_create(
	struct seatd **ret, sd_event *event, struct seat *seat, enum seatd_dialect dialect) {
	struct seatd *seatd = calloc(1, sizeof(*seatd));
	if (!seatd) {
		return -ENOMEM;
	}
	seatd->seat = seat;
	seatd->event = sd_event_ref(event);
	seatd->dialect = dialect;
	TAILQ_INIT(&seatd->clients);
	*ret = seatd;
	return 0;
}

void seatd_hang_up(struct seatd *seatd) {
	while (!TAILQ_EMPTY(&seatd->clients)) {
		client_destroy(TAILQ_FIRST(&seatd->clients));
	}
}

void seatd_destroy(struct seatd *seatd) {
	if (!seatd) {
		return;
	}
	seatd_hang_up(seatd);
	sd_event_source_disable_unref(seatd->listener);
	sd_event_unref(seatd->event);
	free(seatd);
}

int seatd_listen(struct seatd *seatd, int fd) {
	return socket_serve(seatd->event, &seatd->listener, fd, handle_connection, seatd);
}
