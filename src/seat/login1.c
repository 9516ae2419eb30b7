#include "seat/login1.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "seat/login1_objects.h"

static int send_active(struct login1_client *client) {
	AUTO_MESSAGE sd_bus_message *signal = NULL;
	int r = sd_bus_message_new_signal(client->bus->served.bus, &signal,
		client->login1->session_path, "org.freedesktop.DBus.Properties",
		"PropertiesChanged");
	if (r < 0 || (r = sd_bus_message_append(signal, "sa{sv}as", LOGIN1_SESSION, 2, "Active",
			      "b", (int)client->base.seat->active, "State", "s",
			      client->base.seat->active ? "active" : "online", 0)) < 0) {
		return r;
	}
	return driver_send(&client->bus->driver, signal);
}

/* PauseDevice or ResumeDevice about the card. */
static int send_device(struct login1_client *client, const char *member) {
	struct seat *seat = client->base.seat;
	AUTO_MESSAGE sd_bus_message *signal = NULL;
	int r = sd_bus_message_new_signal(client->bus->served.bus, &signal,
		client->login1->session_path, LOGIN1_SESSION, member);
	if (r < 0 || (r = sd_bus_message_append(
			      signal, "uu", major(seat->devnum), minor(seat->devnum))) < 0) {
		return r;
	}
	if (strcmp(member, "PauseDevice") == 0) {
		r = sd_bus_message_append(signal, "s", "pause");
	} else {
		/* The client's own descriptor stays good and nobody here keeps a copy of it, so
		 * the one that the signature demands is an inert one. */
		AUTO_CLOSE int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		r = fd < 0 ? -errno : sd_bus_message_append(signal, "h", fd);
	}
	return r < 0 ? r : driver_send(&client->bus->driver, signal);
}

static void client_pause(struct seat_client *base) {
	struct login1_client *client = (struct login1_client *)base;
	if (seat_client_has_card(base)) {
		(void)send_device(client, "PauseDevice");
	}
	(void)send_active(client);
}

static void client_resume(struct seat_client *base) {
	struct login1_client *client = (struct login1_client *)base;
	if (seat_client_has_card(base)) {
		(void)send_device(client, "ResumeDevice");
	}
	(void)send_active(client);
}

static const struct seat_client_impl client_impl = {
	.pause = client_pause,
	.resume = client_resume,
};

static int find_user(struct login1_client *client) {
	socklen_t size = sizeof(client->peer);
	int fd = sd_bus_get_fd(client->bus->served.bus);
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &client->peer, &size) < 0) {
		return fd < 0 ? fd : -errno;
	}
	snprintf(client->user_path, sizeof(client->user_path), LOGIN1_PATH "/user/_%u",
		(unsigned)client->peer.uid);
	struct passwd *entry = getpwuid(client->peer.uid);
	if (entry) {
		snprintf(client->user, sizeof(client->user), "%s", entry->pw_name);
	} else {
		snprintf(client->user, sizeof(client->user), "%u", (unsigned)client->peer.uid);
	}
	return 0;
}

static int service_connect(void *data, struct bus_client *bus) {
	const struct login1 *login1 = data;
	if (!seat_admits(login1->seat, sd_bus_get_fd(bus->served.bus))) {
		return -EACCES;
	}
	struct login1_client *client = calloc(1, sizeof(*client));
	if (!client) {
		return -ENOMEM;
	}
	client->login1 = data;
	client->bus = bus;

	int r = find_user(client);
	if (r < 0 || (r = login1_add_manager(client)) < 0 || (r = login1_add_session(client)) < 0 ||
		(r = login1_add_seat(client)) < 0 || (r = login1_add_user(client)) < 0) {
		free(client);
		return r;
	}
	seat_client_init(
		&client->base, client->login1->seat, &client_impl, sd_bus_get_fd(bus->served.bus));
	LIST_INSERT_HEAD(&client->login1->clients, client, link);
	bus->service_data = client;
	return 0;
}

static void service_disconnect(void *data, struct bus_client *bus) {
	struct login1_client *client = bus->service_data;
	login1_drop_control(client);
	seat_client_finish(&client->base);
	LIST_REMOVE(client, link);
	free(client);
}

static const struct bus_service service = {
	.name = LOGIN1_NAME,
	.path = LOGIN1_PATH,
	.connect = service_connect,
	.disconnect = service_disconnect,
};

int login1_create(struct login1 **ret, sd_event *event, struct seat *seat) {
	struct login1 *login1 = calloc(1, sizeof(*login1));
	if (!login1) {
		return -ENOMEM;
	}
	login1->seat = seat;
	LIST_INIT(&login1->clients);
	strcpy(login1->type, "wayland");

	int r = sd_bus_path_encode(LOGIN1_PATH "/session", seat->session, &login1->session_path);
	if (r < 0 ||
		(r = sd_bus_path_encode(LOGIN1_PATH "/seat", seat->name, &login1->seat_path)) < 0 ||
		(r = bus_create(&login1->bus, event, &service, login1)) < 0) {
		login1_destroy(login1);
		return r;
	}
	*ret = login1;
	return 0;
}

void login1_destroy(struct login1 *login1) {
	if (!login1) {
		return;
	}
	bus_destroy(login1->bus);
	free(login1->seat_path);
	free(login1->session_path);
	free(login1);
}
