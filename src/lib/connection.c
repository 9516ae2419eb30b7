#include "lib/connection.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "scanout/dbus_names.h"

#define STEP_USEC (100 * 1000)

bool connection_is_interrupted(void) {
	sigset_t pending;
	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) ||
		       sigismember(&pending, SIGHUP) || sigismember(&pending, SIGQUIT));
}

const char *connection_name(const struct connection *connection) {
	return connection->is_peer ? NULL : SCANOUT_BUS_NAME;
}

void connection_close(struct connection *connection) {
	connection->bus = sd_bus_close_unref(connection->bus);
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

int connection_open(struct connection *connection, sd_event *event) {
	const char *address = getenv("SCANOUT_ADDRESS");
	AUTO_BUS sd_bus *bus = NULL;
	int r;

	if (connection->bus && sd_bus_is_open(connection->bus) > 0) {
		return 0;
	}
	connection_close(connection);
	if (!address && access(CONNECTION_GUEST_SOCKET, F_OK) == 0) {
		address = "unix:path=" CONNECTION_GUEST_SOCKET;
	}
	connection->is_peer = address;
	r = address ? open_peer(&bus, address) : sd_bus_open_system(&bus);
	if (r < 0 || (r = sd_bus_set_method_call_timeout(bus, CONNECTION_ANSWER_USEC)) < 0 ||
		(r = connection->opened(connection->data, bus, connection_name(connection))) < 0 ||
		(r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL)) < 0) {
		return r;
	}
	connection->bus = TAKE_PTR(bus);
	return 1;
}

static int handle_reply(sd_bus_message *message, void *data, sd_bus_error *error) {
	*(sd_bus_message **)data = sd_bus_message_ref(message);
	return 1;
}

int connection_call(struct connection *connection, sd_bus_message *message, uint64_t timeout_usec,
	sd_bus_error *error, sd_bus_message **ret) {
	sd_bus_slot *slot = NULL;
	sd_bus_message *reply = NULL;

	int r = sd_bus_call_async(
		connection->bus, &slot, message, handle_reply, &reply, timeout_usec);
	while (r >= 0 && !reply) {
		r = sd_bus_process(connection->bus, NULL);
		if (r == 0) {
			r = connection_is_interrupted() ? -EINTR
							: sd_bus_wait(connection->bus, STEP_USEC);
			r = r == -EINTR && !connection_is_interrupted() ? 0 : r;
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

bool connection_is_absent(int r, const sd_bus_error *error) {
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

/* Whether the file's mode lets anybody in, so that it was not the mode that kept us out. */
static bool is_open_to_all(const char *path) {
	struct stat st;
	return stat(path, &st) == 0 && (geteuid() == 0 || (st.st_mode & S_IWOTH));
}

/* What a security module calls us: a label with colons is SELinux's, a mode behind it AppArmor's.
 */
static const char *advise_label(void) {
	char label[256] = "";
	AUTO_FCLOSE FILE *f = fopen("/proc/self/attr/current", "re");
	if (f && fgets(label, sizeof(label), f) && strchr(label, ':')) {
		return "SELinux forbids it to this container: start it with "
		       "--security-opt label=disable";
	}
	if (strstr(label, "(enforce)")) {
		return "AppArmor forbids it to this container: start it with "
		       "--security-opt apparmor=unconfined";
	}
	return "its mode is not what forbids it: look for a security module's refusal with "
	       "'journalctl -k' in the VM";
}

static const char *advise_access(void) {
	static const char prefix[] = "unix:path=";
	const char *address = getenv("SCANOUT_ADDRESS");
	const char *path = CONNECTION_GUEST_SOCKET;
	if (address && strncmp(address, prefix, strlen(prefix)) == 0) {
		path = address + strlen(prefix);
	}
	if (is_open_to_all(path)) {
		return advise_label();
	}
	if (access(path, F_OK) < 0) {
		return "allow this user to enter the folders that lead to it";
	}
	return "allow this user to use it: SocketMode= of scanoutd.socket in the VM";
}

static const char *advise(int r) {
	if (r == -EACCES) {
		return advise_access();
	}
	if (r == -ECONNRESET || r == -EPIPE || r == -ENOTCONN) {
		return "scanoutd has hung up: 'journalctl -u scanoutd -u scanout-front' in the VM says why";
	}
	if (getenv("SCANOUT_ADDRESS")) {
		return "start scanoutd in the VM, or correct the variable";
	}
	if (is_stale(CONNECTION_GUEST_SOCKET) || is_stale(CONNECTION_GUEST_FOLDER)) {
		return "what is mounted there is gone in the VM; start the container again, "
		       "with " CONNECTION_GUEST_MOUNT;
	}
	if (access(CONNECTION_GUEST_FOLDER, F_OK) < 0) {
		return "start scanoutd, or the container with " CONNECTION_GUEST_MOUNT;
	}
	/* With its socket: if that was removed, one that runs listens where nobody finds it. */
	return "type 'systemctl stop scanoutd.socket; systemctl restart scanoutd' in the VM";
}

void connection_say_absent(const struct connection *connection, const char *what, int r) {
	if (connection->bus && sd_bus_is_open(connection->bus) <= 0) {
		r = -ECONNRESET; /* while a call waits, sd-bus turns that into ETIMEDOUT */
	}
	const char *advice = advise(r);
	if (getenv("SCANOUT_ADDRESS")) {
		say("%s at $SCANOUT_ADDRESS, '%s': %s; %s", what, getenv("SCANOUT_ADDRESS"),
			strerror(-r), advice);
	} else if (connection->is_peer) {
		say("%s at " CONNECTION_GUEST_SOCKET ": %s; %s", what, strerror(-r), advice);
	} else if (r == -ENOENT) {
		say("%s: there is neither " CONNECTION_GUEST_SOCKET " nor a system bus here; %s",
			what, advice);
	} else {
		say("%s on the system bus: %s; %s", what, strerror(-r), advice);
	}
}
