/* The Session object: the one that hands out devices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "seat/login1_objects.h"

#define ERROR_NOT_IN_CONTROL LOGIN1_NAME ".NotInControl"
#define ERROR_DEVICE_IS_TAKEN LOGIN1_NAME ".DeviceIsTaken"
#define ERROR_DEVICE_NOT_TAKEN LOGIN1_NAME ".DeviceNotTaken"

static int refuse_not_in_control(sd_bus_message *message) {
	return sd_bus_reply_method_errorf(
		message, ERROR_NOT_IN_CONTROL, "You are not in control of this session");
}

static bool in_control(const struct login1_client *client) {
	return client->login1->controller == client;
}

static int method_take_control(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct login1_client *client = data;
	struct login1_client *controller = client->login1->controller;
	int force;

	int r = sd_bus_message_read(message, "b", &force);
	if (r < 0) {
		return r;
	}
	if (controller && controller != client) {
		if (!force) {
			return sd_bus_reply_method_errnof(
				message, EBUSY, "Another client controls this session");
		}
		if (client->peer.uid != 0 && client->peer.uid != controller->peer.uid) {
			return sd_bus_reply_method_errnof(
				message, EPERM, "Another user controls this session");
		}
		login1_drop_control(controller);
	}
	client->login1->controller = client;
	return sd_bus_reply_method_return(message, NULL);
}

static int method_release_control(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct login1_client *client = data;
	if (!in_control(client)) {
		return refuse_not_in_control(message);
	}
	login1_drop_control(client);
	return sd_bus_reply_method_return(message, NULL);
}

/*
 * Every refusal is the one that compositors expect of a device they cannot have: EBUSY while
 * somebody else has it, which KWin tries again upon, and DeviceIsTaken only for one that the client
 * has.
 */
static int refuse_device(sd_bus_message *message, const struct login1_client *client, int error) {
	switch (error) {
	case -EBUSY:
		return seat_client_has_card(&client->base)
			       ? sd_bus_reply_method_errorf(
					 message, ERROR_DEVICE_IS_TAKEN, "Device is already taken")
			       : sd_bus_reply_method_errnof(
					 message, EBUSY, "Somebody else has the device");
	case -EACCES:
	case -ENOENT:
		return sd_bus_reply_method_errnof(
			message, ENODEV, "This session has no such device");
	default:
		return sd_bus_reply_method_errnof(message, error, "No lease could be had: %m");
	}
}

static int method_take_device(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct login1_client *client = data;
	uint32_t major, minor;

	int r = sd_bus_message_read(message, "uu", &major, &minor);
	if (r < 0) {
		return r;
	}
	if (!in_control(client)) {
		return refuse_not_in_control(message);
	}
	AUTO_CLOSE int fd = seat_open_devnum(&client->base, major, minor);
	if (fd < 0) {
		return refuse_device(message, client, fd);
	}
	return sd_bus_reply_method_return(message, "hb", fd, (int)!client->base.seat->active);
}

static int method_release_device(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct login1_client *client = data;
	uint32_t major, minor;

	int r = sd_bus_message_read(message, "uu", &major, &minor);
	if (r < 0) {
		return r;
	}
	if (!in_control(client)) {
		return refuse_not_in_control(message);
	}
	if (makedev(major, minor) == client->base.seat->devnum) {
		if (!seat_client_has_card(&client->base)) {
			return sd_bus_reply_method_errorf(
				message, ERROR_DEVICE_NOT_TAKEN, "Device not taken");
		}
		seat_close_card(&client->base);
	}
	return sd_bus_reply_method_return(message, NULL);
}

static int method_set_type(sd_bus_message *message, void *data, sd_bus_error *error) {
	static const char *const types[] = {"unspecified", "tty", "x11", "wayland", "mir", "web"};
	struct login1_client *client = data;
	const char *type;

	int r = sd_bus_message_read(message, "s", &type);
	if (r < 0) {
		return r;
	}
	if (!in_control(client)) {
		return refuse_not_in_control(message);
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i]) == 0) {
			strcpy(client->login1->type, types[i]);
			return sd_bus_reply_method_return(message, NULL);
		}
	}
	return sd_bus_reply_method_errnof(message, EINVAL, "No such session type: '%s'", type);
}

static int read_hint(sd_bus_message *message, bool *hint) {
	int value;
	int r = sd_bus_message_read(message, "b", &value);
	if (r < 0) {
		return r;
	}
	*hint = value;
	return sd_bus_reply_method_return(message, NULL);
}

static int method_set_idle_hint(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct login1_client *client = data;
	return read_hint(message, &client->login1->idle_hint);
}

static int method_set_locked_hint(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct login1_client *client = data;
	return read_hint(message, &client->login1->locked_hint);
}

static int method_set_brightness(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_errnof(message, ENODEV, "This session has no backlight");
}

/* Lock and Unlock are requests to the program that draws the session: pass them to all clients. */
static int method_lock(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct login1_client *client = data;
	const char *member = sd_bus_message_get_member(message);
	struct login1_client *each;

	LIST_FOREACH (each, &client->login1->clients, link) {
		AUTO_MESSAGE sd_bus_message *signal = NULL;
		if (sd_bus_message_new_signal(each->bus->served.bus, &signal,
			    client->login1->session_path, LOGIN1_SESSION, member) >= 0) {
			(void)driver_send(&each->bus->driver, signal);
		}
	}
	return sd_bus_reply_method_return(message, NULL);
}

static int get_id(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "s", client->base.seat->session);
}

static int get_user(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "(uo)", (uint32_t)client->peer.uid, client->user_path);
}

static int get_vtnr(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "u", UINT32_C(0));
}

static int get_leader(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "u", (uint32_t)client->peer.pid);
}

static int get_seat(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(
		reply, "(so)", client->base.seat->name, client->login1->seat_path);
}

static int get_type(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "s", client->login1->type);
}

static int get_class(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "s", "user");
}

static int get_active(sd_bus *link, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "b", (int)client->base.seat->active);
}

static int get_locked_hint(sd_bus *link, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct login1_client *client = data;
	return sd_bus_message_append(reply, "b", (int)client->login1->locked_hint);
}

static const sd_bus_vtable session_vtable[] = {
	SD_BUS_VTABLE_START(0),
	LOGIN1_CONSTANT("Id", "s", get_id),
	LOGIN1_CONSTANT("User", "(uo)", get_user),
	LOGIN1_CONSTANT("Name", "s", login1_get_name),
	LOGIN1_CONSTANT("Timestamp", "t", login1_get_zero),
	LOGIN1_CONSTANT("TimestampMonotonic", "t", login1_get_zero),
	LOGIN1_CONSTANT("VTNr", "u", get_vtnr),
	LOGIN1_CONSTANT("Seat", "(so)", get_seat),
	LOGIN1_CONSTANT("TTY", "s", login1_get_empty),
	LOGIN1_CONSTANT("Display", "s", login1_get_empty),
	LOGIN1_CONSTANT("Remote", "b", login1_get_false),
	LOGIN1_CONSTANT("RemoteHost", "s", login1_get_empty),
	LOGIN1_CONSTANT("RemoteUser", "s", login1_get_empty),
	LOGIN1_CONSTANT("Service", "s", login1_get_empty),
	LOGIN1_CONSTANT("Desktop", "s", login1_get_empty),
	LOGIN1_CONSTANT("Scope", "s", login1_get_empty),
	LOGIN1_CONSTANT("Leader", "u", get_leader),
	LOGIN1_CONSTANT("Audit", "u", get_vtnr),
	LOGIN1_CHANGING("Type", "s", get_type),
	LOGIN1_CONSTANT("Class", "s", get_class),
	LOGIN1_CHANGING("Active", "b", get_active),
	LOGIN1_CHANGING("State", "s", login1_get_state),
	LOGIN1_CHANGING("IdleHint", "b", login1_get_idle_hint),
	LOGIN1_CHANGING("IdleSinceHint", "t", login1_get_zero),
	LOGIN1_CHANGING("IdleSinceHintMonotonic", "t", login1_get_zero),
	LOGIN1_CHANGING("LockedHint", "b", get_locked_hint),
	LOGIN1_METHOD("Activate", NULL, NULL, login1_accept),
	LOGIN1_METHOD("Lock", NULL, NULL, method_lock),
	LOGIN1_METHOD("Unlock", NULL, NULL, method_lock),
	LOGIN1_METHOD("SetIdleHint", "b", NULL, method_set_idle_hint),
	LOGIN1_METHOD("SetLockedHint", "b", NULL, method_set_locked_hint),
	LOGIN1_METHOD("TakeControl", "b", NULL, method_take_control),
	LOGIN1_METHOD("ReleaseControl", NULL, NULL, method_release_control),
	LOGIN1_METHOD("SetType", "s", NULL, method_set_type),
	LOGIN1_METHOD("SetDisplay", "s", NULL, login1_accept),
	LOGIN1_METHOD("TakeDevice", "uu", "hb", method_take_device),
	LOGIN1_METHOD("ReleaseDevice", "uu", NULL, method_release_device),
	LOGIN1_METHOD("PauseDeviceComplete", "uu", NULL, login1_accept),
	LOGIN1_METHOD("SetBrightness", "ssu", NULL, method_set_brightness),
	SD_BUS_SIGNAL("PauseDevice", "uus", 0),
	SD_BUS_SIGNAL("ResumeDevice", "uuh", 0),
	SD_BUS_SIGNAL("Lock", NULL, 0),
	SD_BUS_SIGNAL("Unlock", NULL, 0),
	SD_BUS_VTABLE_END,
};

int login1_add_session(struct login1_client *client) {
	const char *paths[] = {client->login1->session_path, LOGIN1_PATH "/session/auto",
		LOGIN1_PATH "/session/self", NULL};
	return login1_add_object(client, paths, LOGIN1_SESSION, session_vtable);
}
