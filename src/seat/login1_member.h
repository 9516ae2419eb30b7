/*
 * What the objects of login1 have in common: the data of the session and of its clients, the names
 * of the interfaces, how vtables declare methods and properties, and shared handlers.
 */
#ifndef SCANOUT_SEAT_LOGIN1_MEMBER_H
#define SCANOUT_SEAT_LOGIN1_MEMBER_H

#include <sys/socket.h>

#include "seat/bus_client.h"
#include "seat/seat.h"

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
	char user[32];      // name, or number without one
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
	char type[16]; // of the session, as set by SetType
	bool locked_hint;
	bool idle_hint;
	struct login1_client *controller; // may be NULL
	struct login1_clients clients;    // login1_client.link
};

#define LOGIN1_METHOD(name, in, out, handler) \
	SD_BUS_METHOD(name, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)
#define LOGIN1_CONSTANT(name, type, getter) \
	SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define LOGIN1_CHANGING(name, type, getter) \
	SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

/* Adds an interface at a path and its aliases, such as 'auto' and 'self'. */
int login1_add_object(struct login1_client *client, const char *const *paths, const char *interface,
	const sd_bus_vtable *vtable);

/* Takes control and the card from a client, if it is the session's controller. */
void login1_drop_control(struct login1_client *client);

/* Replies with success to a call that has no effect in this session. */
int login1_accept(sd_bus_message *message, void *data, sd_bus_error *error);

int login1_get_false(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);
int login1_get_idle_hint(sd_bus *link, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error);
int login1_get_zero(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);
int login1_get_empty(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);
int login1_get_state(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);
/* The name of the user. */
int login1_get_name(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);
/* The session as (so), and as the only member of an a(so). */
int login1_get_session(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);
int login1_get_sessions(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);

#endif
