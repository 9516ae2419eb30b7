#include "front/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "front/relay.h"
#include "scanout/dbus_names.h"

static void handle_ended(struct served *served, int error) {
	struct guest *guest = (struct guest *)((char *)served - offsetof(struct guest, served));
	guest->ended(guest->data, guest, error);
}

static void handle_signal(void *data, sd_bus_message *signal) {
	struct guest *guest = data;
	(void)relay_signal(guest->served.bus, signal);
}

/* With an unanswered call the connection stays, as on a bus. Else it ends with scanoutd, which to
 * connect again would start, even if it was told to stop. */
static void handle_changed(void *data, bool is_there) {
	struct guest *guest = data;
	driver_tell_owner(&guest->driver, is_there);
	if (!is_there && guest->link.n_calls == 0) {
		sd_bus_close(guest->served.bus);
	}
}

/* What scanoutd says of that was answered. Its turn ends it: here it would go from under our feet.
 */
static void handle_refused(void *data) {
	struct guest *guest = data;
	sd_bus_close(guest->served.bus);
}

/* Whether the driver answers. sd-bus knows the Peer's calls by itself. */
static bool is_drivers(sd_bus_message *call) {
	const char *destination = sd_bus_message_get_destination(call);
	const char *interface = sd_bus_message_get_interface(call);
	return strcmp(sd_bus_message_get_path(call), DRIVER_PATH) == 0 ||
	       (destination && strcmp(destination, DRIVER_NAME) == 0) ||
	       (interface && strcmp(interface, DRIVER_NAME ".Peer") == 0);
}

/* Nothing goes to scanoutd for who makes no call. */
static int handle_message(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct guest *guest = data;
	if (!sd_bus_message_is_method_call(message, NULL, NULL)) {
		return 0;
	}
	int r = guest->link.retry ? 0 : link_open(&guest->link);
	if (r >= 0) {
		r = driver_check(&guest->driver, message);
	}
	if (r != 0 || is_drivers(message)) {
		return r;
	}
	r = link_ask(&guest->link, message);
	return r < 0 ? r : 1;
}

static int guest_start(struct guest *guest, struct server *server, int connection) {
	AUTO_CLOSE int fd = connection;
	int r = sd_bus_new(&guest->served.bus);
	if (r < 0) {
		return r;
	}
	guest->link.guest_fd = fd;
	guest->driver.bus = guest->served.bus;
	r = sd_bus_add_filter(guest->served.bus, NULL, handle_message, guest);
	if (r >= 0) {
		r = driver_register(&guest->driver, fd);
	}
	return r < 0 ? r : served_start(&guest->served, server, TAKE_FD(fd));
}

int guest_create(
	struct guest **ret, const struct guest_options *options, int connection, int pidfd) {
	struct guest *guest = calloc(1, sizeof(*guest));
	if (!guest) {
		close(connection);
		close(pidfd);
		return -ENOMEM;
	}
	*guest = (struct guest){
		.served = {.ended = handle_ended},
		.driver = {.service = SCANOUT_BUS_NAME, .service_unique = ":1.0", .unique = ":1.1"},
		.link = {.event = options->server->event,
			.address = options->address,
			.pidfd = pidfd,
			.heard = handle_signal,
			.changed = handle_changed,
			.refused = handle_refused,
			.data = guest},
		.pidfd = pidfd,
		.ended = options->ended,
		.data = options->data,
	};
	TAILQ_INIT(&guest->link.calls);
	int r = guest_start(guest, options->server, connection);
	if (r >= 0) {
		*ret = guest;
	} else if (r != -ENOMEM) {
		guest_destroy(guest);
	}
	return r < 0 ? r : 0;
}

void guest_destroy(struct guest *guest) {
	link_close(&guest->link);
	served_stop(&guest->served);
	sd_bus_close_unref(guest->served.bus);
	close(guest->pidfd);
	free(guest);
}
