/*
 * Just enough of scanoutd for scanout-run: RequestScanout and ReleaseScanout over fake leases.
 *
 *	fake_scanoutd bus|peer ADDRESS [busy|no-size|GENERATION[:WIDTH]]
 *
 * 'bus' connects to the bus at ADDRESS, 'peer' serves clients on the socket with that path, as the
 * guest socket does, and tells signals to the last one. It writes a line for each call and signal.
 * SIGUSR1: it revokes the last lease. SIGPWR: another process of the holder releases it. SIGUSR2:
 *the host gives the scanout another size. SIGHUP: its properties are told again. SIGWINCH: the seat
 *is paused, and the next time no longer. With a GENERATION it starts as if it had been restarted
 *and still knew that lease, of an output with that WIDTH.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/socket.h"
#include "scanout/dbus_names.h"

#define ID "card0-Virtual-4"
#define PATH SCANOUT_BUS_PATH "/card0_2dVirtual_2d4"

#define MAX_CLIENTS 32

struct fake {
	sd_event *event;
	sd_bus *bus; // borrowed: the last one
	sd_bus *clients[MAX_CLIENTS];
	unsigned n_clients;
	const char *mode;
	uint64_t generation;
	uint32_t width, height; // that the scanout prefers
	uint32_t shown;         // the width of
	bool paused;
	char client[32]; // who had the last lease, by its name on the bus
};

static int read_option(sd_bus_message *message, struct fake *fake, bool *spare, bool *sized) {
	const char *name, *type, *text;
	uint64_t t;
	uint32_t u;
	int b;

	assert(sd_bus_message_read(message, "s", &name) >= 0);
	assert(sd_bus_message_peek_type(message, NULL, &type) >= 0);
	switch (type[0]) {
	case 's':
		assert(sd_bus_message_read(message, "v", "s", &text) >= 0);
		printf(" %s=%s", name, text);
		break;
	case 'u':
		assert(sd_bus_message_read(message, "v", "u", &u) >= 0);
		printf(" %s=%u", name, u);
		*sized |= strcmp(name, "width") == 0;
		break;
	case 'b':
		assert(sd_bus_message_read(message, "v", "b", &b) >= 0);
		printf(" %s=%d", name, b);
		*spare = b;
		break;
	case 't':
		assert(sd_bus_message_read(message, "v", "t", &t) >= 0);
		printf(" %s", name);
		break;
	case 'h': {
		struct ucred peer;
		socklen_t size = sizeof(peer);
		assert(sd_bus_message_read(message, "v", "h", &b) >= 0);
		assert(getsockopt(b, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
		printf(" %s=%d", name, (int)peer.pid);
		break;
	}
	default:
		assert(!"an option of an unknown type");
	}
	return 0;
}

static int method_request(sd_bus_message *message, void *data, sd_bus_error *error) {
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	struct fake *fake = data;
	bool spare = false, sized = false;
	struct stat st;

	const char *sender = sd_bus_message_get_sender(message);
	snprintf(fake->client, sizeof(fake->client), "%s", sender ? sender : "");
	printf("request");
	assert(sd_bus_message_enter_container(message, 'a', "{sv}") >= 0);
	while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
		read_option(message, fake, &spare, &sized);
		assert(sd_bus_message_exit_container(message) >= 0);
	}
	printf("\n");
	if (strcmp(fake->mode, "busy") == 0) {
		return sd_bus_reply_method_errorf(
			message, SCANOUT_ERROR_NO_FREE, "All 16 scanouts are taken. Wait.");
	}
	if (sized && strcmp(fake->mode, "no-size") == 0) {
		return sd_bus_reply_method_errorf(
			message, SCANOUT_ERROR_INVALID_OPTION, "'width' is not supported");
	}

	AUTO_CLOSE int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int spare_fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	assert(fd >= 0 && spare_fd >= 0 && fstat(fd, &st) == 0);
	fake->generation++;
	assert(sd_bus_message_new_method_return(message, &reply) >= 0);
	assert(sd_bus_message_append(reply, "ho", fd, PATH) >= 0);
	assert(sd_bus_message_open_container(reply, 'a', "{sv}") >= 0);
	assert(sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "id", "s", ID, "index",
		       "u", 3, "device", "s", "/dev/full", "devnum", "(uu)", major(st.st_rdev),
		       minor(st.st_rdev), "connector", "u", 40, "generation", "t", fake->generation,
		       "mode", "(uuu)", fake->width, fake->height, 60000) >= 0);
	if (spare) {
		assert(sd_bus_message_append(reply, "{sv}", "spare_fd", "h", spare_fd) >= 0);
	}
	assert(sd_bus_message_close_container(reply) >= 0);
	return sd_bus_send(NULL, reply, NULL);
}

static void emit_ended(const struct fake *fake, const char *reason) {
	assert(sd_bus_emit_signal(fake->bus, SCANOUT_BUS_PATH, SCANOUT_MANAGER_INTERFACE,
		       "ScanoutEnded", "os", PATH, reason) >= 0);
}

/* The end is signalled to who asked for it as well, before the reply. */
static int method_release(sd_bus_message *message, void *data, sd_bus_error *error) {
	const char *id;
	assert(sd_bus_message_read(message, "s", &id) >= 0);
	printf("release %s\n", id);
	emit_ended(data, "released");
	return sd_bus_reply_method_return(message, NULL);
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *data, sd_bus_error *error) {
	const struct fake *fake = data;
	printf("asked for %s\n", property);
	return sd_bus_message_append(reply, "s", fake->generation ? "leased" : "free");
}

static const sd_bus_vtable scanout_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Generation", "t", NULL, offsetof(struct fake, generation), 0),
	SD_BUS_PROPERTY("State", "s", get_state, 0, 0),
	SD_BUS_PROPERTY("PreferredWidth", "u", NULL, offsetof(struct fake, width), 0),
	SD_BUS_PROPERTY("PreferredHeight", "u", NULL, offsetof(struct fake, height), 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD(
		"RequestScanout", "a{sv}", "hoa{sv}", method_request, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ReleaseScanout", "s", NULL, method_release, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void add_objects(struct fake *fake) {
	assert(sd_bus_add_object_vtable(fake->bus, NULL, SCANOUT_BUS_PATH,
		       SCANOUT_MANAGER_INTERFACE, vtable, fake) >= 0);
	assert(sd_bus_add_object_vtable(fake->bus, NULL, PATH, SCANOUT_SCANOUT_INTERFACE,
		       scanout_vtable, fake) >= 0);
	assert(sd_bus_attach_event(fake->bus, fake->event, 0) >= 0);
}

static int handle_connection(sd_event_source *source, int listener, uint32_t revents, void *data) {
	struct fake *fake = data;
	int fd = socket_accept(listener);
	sd_id128_t id;

	assert(fd >= 0 && sd_id128_randomize(&id) >= 0);
	assert(fake->n_clients < MAX_CLIENTS);
	assert(sd_bus_new(&fake->bus) >= 0 && sd_bus_set_fd(fake->bus, fd, fd) >= 0);
	assert(sd_bus_set_server(fake->bus, 1, id) >= 0);
	assert(sd_bus_set_anonymous(fake->bus, 1) >= 0);
	assert(sd_bus_negotiate_fds(fake->bus, 1) >= 0 && sd_bus_start(fake->bus) >= 0);
	fake->clients[fake->n_clients++] = fake->bus;
	add_objects(fake);
	printf("connected\n");
	return 0;
}

/* As in the mini bus: bytes that came with the end of the handshake do not wake sd-bus. */
static int handle_post(sd_event_source *source, void *data) {
	struct fake *fake = data;
	for (unsigned i = 0; i < fake->n_clients; i++) {
		while (sd_bus_process(fake->clients[i], NULL) > 0) {
		}
	}
	return 0;
}

static int handle_heard(sd_bus_message *reply, void *data, sd_bus_error *error) {
	printf("told\n");
	return 0;
}

/* Says "told" when the client has answered what comes behind it: then it has heard it. */
static void tell_when_heard(struct fake *fake) {
	const char *client = fake->client[0] ? fake->client : NULL;
	assert(sd_bus_call_method_async(fake->bus, NULL, client, "/", "org.freedesktop.DBus.Peer",
		       "Ping", handle_heard, fake, NULL) >= 0);
}

static int handle_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
	struct fake *fake = data;
	int number = sd_event_source_get_signal(source);
	if (number == SIGWINCH) {
		fake->paused = !fake->paused;
		assert(sd_bus_emit_signal(fake->bus, SCANOUT_BUS_PATH,
			       "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
			       SCANOUT_MANAGER_INTERFACE, 1, "Paused", "b", (int)fake->paused,
			       0) >= 0);
		tell_when_heard(fake);
		return 0;
	}
	if (number == SIGUSR1 || number == SIGPWR) {
		const char *reason = number == SIGPWR ? "released" : "revoked";
		emit_ended(fake, reason);
		printf("%s\n", reason);
		return 0;
	}
	fake->width += number == SIGUSR2 ? 640 : 0;
	/* What is shown changes each time: that is the compositor's own doing. */
	fake->shown++;
	assert(sd_bus_emit_signal(fake->bus, PATH, "org.freedesktop.DBus.Properties",
		       "PropertiesChanged", "sa{sv}as", SCANOUT_SCANOUT_INTERFACE, 4, "Width", "u",
		       fake->shown, "Height", "u", 480, "PreferredWidth", "u", fake->width,
		       "PreferredHeight", "u", fake->height, 0) >= 0);
	tell_when_heard(fake);
	return 0;
}

int main(int argc, char *argv[]) {
	struct fake fake = {.mode = argc > 3 ? argv[3] : "", .height = 480};
	sigset_t set;

	assert(argc >= 3);
	char *end;
	fake.generation = strtoull(fake.mode, &end, 10);
	fake.width = *end == ':' ? strtoul(end + 1, NULL, 10) : 640;
	setlinebuf(stdout);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGPWR);
	sigaddset(&set, SIGTERM);
	assert(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	assert(sd_event_new(&fake.event) >= 0);
	assert(sd_event_add_signal(fake.event, NULL, SIGTERM, NULL, NULL) >= 0);
	assert(sd_event_add_signal(fake.event, NULL, SIGUSR1, handle_signal, &fake) >= 0);
	assert(sd_event_add_signal(fake.event, NULL, SIGUSR2, handle_signal, &fake) >= 0);
	assert(sd_event_add_signal(fake.event, NULL, SIGHUP, handle_signal, &fake) >= 0);
	assert(sd_event_add_signal(fake.event, NULL, SIGWINCH, handle_signal, &fake) >= 0);
	assert(sd_event_add_signal(fake.event, NULL, SIGPWR, handle_signal, &fake) >= 0);
	assert(sd_event_add_post(fake.event, NULL, handle_post, &fake) >= 0);
	sd_event_source *listener = NULL;
	if (strcmp(argv[1], "peer") == 0) {
		int fd = socket_listen(argv[2], 0666);
		assert(fd >= 0);
		assert(socket_serve(fake.event, &listener, fd, handle_connection, &fake) >= 0);
	} else {
		assert(sd_bus_new(&fake.bus) >= 0 && sd_bus_set_address(fake.bus, argv[2]) >= 0);
		assert(sd_bus_set_bus_client(fake.bus, 1) >= 0 && sd_bus_start(fake.bus) >= 0);
		add_objects(&fake);
		assert(sd_bus_request_name(fake.bus, SCANOUT_BUS_NAME, 0) >= 0);
		fake.clients[fake.n_clients++] = fake.bus;
	}
	printf("ready\n");
	assert(sd_event_loop(fake.event) >= 0);
	while (fake.n_clients > 0) {
		sd_bus_close_unref(fake.clients[--fake.n_clients]);
	}
	sd_event_source_disable_unref(listener);
	sd_event_unref(fake.event);
	return 0;
}
