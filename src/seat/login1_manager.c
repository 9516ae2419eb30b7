/* The Manager object: where the others are. It changes nothing about the machine. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "seat/login1_objects.h"

#define ERROR_NO_SESSION LOGIN1_NAME ".NoSuchSession"
#define ERROR_NO_SEAT LOGIN1_NAME ".NoSuchSeat"
#define ERROR_NO_USER LOGIN1_NAME ".NoSuchUser"

static bool is_own(const char *name, const char *own) {
	return name[0] == '\0' || strcmp(name, own) == 0 || strcmp(name, "auto") == 0 ||
	       strcmp(name, "self") == 0;
}

static int method_get_session(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	const char *id;
	int r = sd_bus_message_read(message, "s", &id);
	if (r < 0) {
		return r;
	}
	if (!is_own(id, client->base.seat->session)) {
		return sd_bus_reply_method_errorf(
			message, ERROR_NO_SESSION, "No session '%s' known", id);
	}
	return sd_bus_reply_method_return(message, "o", client->login1->session_path);
}

/* Every caller here is in the only session. */
static int method_get_session_by_pid(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_reply_method_return(message, "o", client->login1->session_path);
}

static int method_get_user(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	uint32_t uid;
	int r = sd_bus_message_read(message, "u", &uid);
	if (r < 0) {
		return r;
	}
	if (uid != client->peer.uid) {
		return sd_bus_reply_method_errorf(
			message, ERROR_NO_USER, "No user %u known or logged in", uid);
	}
	return sd_bus_reply_method_return(message, "o", client->user_path);
}

static int method_get_user_by_pid(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_reply_method_return(message, "o", client->user_path);
}

static int method_get_seat(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	const char *id;
	int r = sd_bus_message_read(message, "s", &id);
	if (r < 0) {
		return r;
	}
	if (!is_own(id, client->base.seat->name)) {
		return sd_bus_reply_method_errorf(message, ERROR_NO_SEAT, "No seat '%s' known", id);
	}
	return sd_bus_reply_method_return(message, "o", client->login1->seat_path);
}

static int method_list_sessions(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_reply_method_return(message, "a(susso)", 1, client->base.seat->session,
		(uint32_t)client->peer.uid, client->user, client->base.seat->name,
		client->login1->session_path);
}

static int method_list_users(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_reply_method_return(
		message, "a(uso)", 1, (uint32_t)client->peer.uid, client->user, client->user_path);
}

static int method_list_seats(sd_bus_message *message, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_reply_method_return(
		message, "a(so)", 1, client->base.seat->name, client->login1->seat_path);
}

static int method_list_inhibitors(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, "a(ssssuu)", 0);
}

/* Nothing is ever shut down or put to sleep here, so a lock that nobody watches is a true one. */
static int method_inhibit(sd_bus_message *message, void *data, sd_bus_error *error) {
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		return -errno;
	}
	close(ends[0]);
	AUTO_CLOSE int fd = ends[1];
	return sd_bus_reply_method_return(message, "h", fd);
}

static int method_can(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, "s", "na");
}

static int method_refuse(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_ACCESS_DENIED,
		"This session may not change the machine's power state");
}

static int get_count(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "t", UINT64_C(1));
}

static const sd_bus_vtable manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	LOGIN1_CHANGING("IdleHint", "b", login1_get_idle_hint),
	LOGIN1_CONSTANT("BlockInhibited", "s", login1_get_empty),
	LOGIN1_CONSTANT("DelayInhibited", "s", login1_get_empty),
	LOGIN1_CONSTANT("PreparingForShutdown", "b", login1_get_false),
	LOGIN1_CONSTANT("PreparingForSleep", "b", login1_get_false),
	LOGIN1_CONSTANT("Docked", "b", login1_get_false),
	LOGIN1_CONSTANT("LidClosed", "b", login1_get_false),
	LOGIN1_CONSTANT("OnExternalPower", "b", login1_get_false),
	LOGIN1_CONSTANT("NCurrentSessions", "t", get_count),
	LOGIN1_METHOD("GetSession", "s", "o", method_get_session),
	LOGIN1_METHOD("GetSessionByPID", "u", "o", method_get_session_by_pid),
	LOGIN1_METHOD("GetUser", "u", "o", method_get_user),
	LOGIN1_METHOD("GetUserByPID", "u", "o", method_get_user_by_pid),
	LOGIN1_METHOD("GetSeat", "s", "o", method_get_seat),
	LOGIN1_METHOD("ListSessions", NULL, "a(susso)", method_list_sessions),
	LOGIN1_METHOD("ListUsers", NULL, "a(uso)", method_list_users),
	LOGIN1_METHOD("ListSeats", NULL, "a(so)", method_list_seats),
	LOGIN1_METHOD("ListInhibitors", NULL, "a(ssssuu)", method_list_inhibitors),
	LOGIN1_METHOD("Inhibit", "ssss", "h", method_inhibit),
	LOGIN1_METHOD("ActivateSession", "s", NULL, login1_accept),
	LOGIN1_METHOD("ActivateSessionOnSeat", "ss", NULL, login1_accept),
	LOGIN1_METHOD("CanPowerOff", NULL, "s", method_can),
	LOGIN1_METHOD("CanReboot", NULL, "s", method_can),
	LOGIN1_METHOD("CanHalt", NULL, "s", method_can),
	LOGIN1_METHOD("CanSuspend", NULL, "s", method_can),
	LOGIN1_METHOD("CanHibernate", NULL, "s", method_can),
	LOGIN1_METHOD("CanHybridSleep", NULL, "s", method_can),
	LOGIN1_METHOD("CanSuspendThenHibernate", NULL, "s", method_can),
	LOGIN1_METHOD("CanRebootToFirmwareSetup", NULL, "s", method_can),
	LOGIN1_METHOD("PowerOff", "b", NULL, method_refuse),
	LOGIN1_METHOD("Reboot", "b", NULL, method_refuse),
	LOGIN1_METHOD("Halt", "b", NULL, method_refuse),
	LOGIN1_METHOD("Suspend", "b", NULL, method_refuse),
	LOGIN1_METHOD("Hibernate", "b", NULL, method_refuse),
	SD_BUS_SIGNAL("SessionNew", "so", 0),
	SD_BUS_SIGNAL("SessionRemoved", "so", 0),
	SD_BUS_SIGNAL("UserNew", "uo", 0),
	SD_BUS_SIGNAL("UserRemoved", "uo", 0),
	SD_BUS_SIGNAL("SeatNew", "so", 0),
	SD_BUS_SIGNAL("SeatRemoved", "so", 0),
	SD_BUS_SIGNAL("PrepareForShutdown", "b", 0),
	SD_BUS_SIGNAL("PrepareForSleep", "b", 0),
	SD_BUS_VTABLE_END,
};

int login1_add_manager(struct login1_client *client) {
	static const char *const paths[] = {LOGIN1_PATH, NULL};
	return login1_add_object(client, paths, LOGIN1_MANAGER, manager_vtable);
}
