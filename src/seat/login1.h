/*
 * org.freedesktop.login1 for one session on one seat: enough of it for compositors that want to
 * be given their devices, and nothing that acts on the machine.
 */
#ifndef SCANOUT_SEAT_LOGIN1_H
#define SCANOUT_SEAT_LOGIN1_H

#include <sys/socket.h>

#include "bus.h"
#include "seat.h"

#define LOGIN1_NAME "org.freedesktop.login1"
#define LOGIN1_PATH "/org/freedesktop/login1"
#define LOGIN1_MANAGER LOGIN1_NAME ".Manager"
#define LOGIN1_SESSION LOGIN1_NAME ".Session"
#define LOGIN1_SEAT LOGIN1_NAME ".Seat"
#define LOGIN1_USER LOGIN1_NAME ".User"

struct login1_client {
	struct seat_client base;
	struct login1 *login1;
	struct bus_client *bus;
	char user[32];      // name
	char user_path[64]; // object path
	struct ucred peer;
	LIST_ENTRY(login1_client) link; // login1.clients
};

LIST_HEAD(login1_clients, login1_client);

struct login1 {
	struct seat *seat;
	struct bus *bus;
	char *session_path;
	char *seat_path;
	char type[16]; // of the session, as SetType left it
	bool locked_hint;
	bool idle_hint;
	struct login1_client *controller; // may be NULL
	struct login1_clients clients;    // login1_client.link
};

/* A mini bus with login1 on it; the caller gives it sockets by bus_listen(login1->bus, …). */
int login1_create(struct login1 **ret, sd_event *event, struct seat *seat);
/* Drops all clients. Accepts NULL. */
void login1_destroy(struct login1 *login1);

/* The objects, each in its own file; userdata is the struct login1_client. */
int login1_add_manager(struct login1_client *client);
int login1_add_session(struct login1_client *client);
int login1_add_seat(struct login1_client *client);
int login1_add_user(struct login1_client *client);

/* Adds an interface under a path and its aliases, such as 'auto' and 'self'. */
int login1_add_object(struct login1_client *client, const char *const *paths, const char *interface,
	const sd_bus_vtable *vtable);

/* A session's controller loses its say, and its card. */
void login1_drop_control(struct login1_client *client);

#endif
