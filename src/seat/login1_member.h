/*
 * What the objects of login1 have in common: how their vtables name methods and properties, and the
 * handlers that several of them need.
 */
#ifndef SCANOUT_SEAT_LOGIN1_MEMBER_H
#define SCANOUT_SEAT_LOGIN1_MEMBER_H

#include <systemd/sd-bus.h>

#define LOGIN1_METHOD(name, in, out, handler) \
	SD_BUS_METHOD(name, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)
#define LOGIN1_CONSTANT(name, type, getter) \
	SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define LOGIN1_CHANGING(name, type, getter) \
	SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

/* For what asks for nothing that this session could do differently, which is no fault. */
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
/* The user's. */
int login1_get_name(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);
/* The (so) that names the session, and the a(so) with only that in it. */
int login1_get_session(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);
int login1_get_sessions(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error);

#endif
