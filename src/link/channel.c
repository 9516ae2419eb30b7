#include "channel.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "common/say.h"

#define STEP_USEC (100 * 1000)
#define MOUNT "with -v " CHANNEL_GUEST_FOLDER ":" CHANNEL_GUEST_FOLDER

bool channel_is_interrupted(void) {
	sigset_t pending;
	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) ||
		       sigismember(&pending, SIGHUP) || sigismember(&pending, SIGQUIT));
}

const char *channel_name(const struct channel *channel) {
	return channel->is_peer ? NULL : SCANOUT_BUS_NAME;
}

void channel_close(struct channel *channel) {
	channel->bus = sd_bus_close_unref(channel->bus);
}

static int open_peer(sd_bus **ret, const char *address) {
	AUTO_BUS sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);
	if (r < 0 || (r = sd_bus_set_address(bus, address)) < 0 ||
		(r = sd_bus_negotiate_fds(bus, 1)) < 0 || (r = sd_bus_start(bus)) < 0) {
		return r;
	}
	*ret = TAKE_PTR(bus);
	return 0;
}

int channel_open(struct channel *channel, sd_event *event) {
	const char *address = getenv("SCANOUT_ADDRESS");
	AUTO_BUS sd_bus *bus = NULL;
	int r;

	if (channel->bus && sd_bus_is_open(channel->bus) > 0) {
		return 0;
	}
	channel_close(channel);
	if (!address && access(CHANNEL_GUEST_SOCKET, F_OK) == 0) {
		address = "unix:path=" CHANNEL_GUEST_SOCKET;
	}
	channel->is_peer = address;
	r = address ? open_peer(&bus, address) : sd_bus_open_system(&bus);
	if (r < 0 || (r = sd_bus_set_method_call_timeout(bus, CHANNEL_ANSWER_USEC)) < 0 ||
		(r = channel->opened(channel->data, bus, channel_name(channel))) < 0 ||
		(r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL)) < 0) {
		return r;
	}
	channel->bus = TAKE_PTR(bus);
	return 1;
}

static int handle_reply(sd_bus_message *message, void *data, sd_bus_error *error) {
	*(sd_bus_message **)data = sd_bus_message_ref(message);
	return 1;
}

int channel_call(struct channel *channel, sd_bus_message *message, uint64_t timeout_usec,
	sd_bus_error *error, sd_bus_message **ret) {
	sd_bus_slot *slot = NULL;
	sd_bus_message *reply = NULL;

	int r = sd_bus_call_async(channel->bus, &slot, message, handle_reply, &reply, timeout_usec);
	while (r >= 0 && !reply) {
		r = sd_bus_process(channel->bus, NULL);
		if (r == 0) {
			r = channel_is_interrupted() ? -EINTR
						     : sd_bus_wait(channel->bus, STEP_USEC);
			r = r == -EINTR && !channel_is_interrupted() ? 0 : r;
		}
	}
	sd_bus_slot_unref(slot);
	if (r < 0) {
		sd_bus_message_unref(reply);
		return r;
	}
	if (sd_bus_message_is_method_error(reply, NULL)) {
		sd_bus_error_copy(error, sd_bus_message_get_error(reply));
		r = -sd_bus_message_get_errno(reply);
		sd_bus_message_unref(reply);
		return r < 0 ? r : -EIO;
	}
	*ret = reply;
	return 0;
}

bool channel_is_absent(int r, const sd_bus_error *error) {
	if (!sd_bus_error_is_set(error)) {
		return r != -EINTR && r != -EBADMSG && r != -ENOMEM;
	}
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_DISCONNECTED);
}

/* What is mounted from the VM stays when it is replaced there, and then has no name any more. */
static bool is_stale(const char *path) {
	struct stat st;
	return stat(path, &st) == 0 && st.st_nlink == 0;
}

static const char *advise(int r) {
	if (r == -EACCES) {
		return "allow this user to use it: SocketMode= of scanoutd.socket in the VM";
	}
	if (getenv("SCANOUT_ADDRESS")) {
		return "start scanoutd in the VM, or correct the variable";
	}
	if (is_stale(CHANNEL_GUEST_SOCKET) || is_stale(CHANNEL_GUEST_FOLDER)) {
		return "what is mounted there is gone in the VM; start the container again, " MOUNT;
	}
	if (access(CHANNEL_GUEST_FOLDER, F_OK) < 0) {
		return "start scanoutd, or the container " MOUNT;
	}
	return "type 'systemctl start scanoutd' in the VM";
}

void channel_say_absent(const struct channel *channel, const char *what, int r) {
	const char *advice = advise(r);
	if (getenv("SCANOUT_ADDRESS")) {
		say("%s at $SCANOUT_ADDRESS, '%s': %s; %s", what, getenv("SCANOUT_ADDRESS"),
			strerror(-r), advice);
	} else if (channel->is_peer) {
		say("%s at " CHANNEL_GUEST_SOCKET ": %s; %s", what, strerror(-r), advice);
	} else if (r == -ENOENT) {
		say("%s: there is neither " CHANNEL_GUEST_SOCKET " nor a system bus here; %s", what,
			advice);
	} else {
		say("%s on the system bus: %s; %s", what, strerror(-r), advice);
	}
}
