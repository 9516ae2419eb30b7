#include "daemon/bus/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "common/cleanup.h"
#include "daemon/core/manager.h"
#include "daemon/util/log.h"

#define REMEDY "Set NotifyAccess=main and FileDescriptorStoreMax=512 in its unit"

static unsigned count_cards(const struct manager *manager) {
	const struct card *card;
	unsigned n = 0;
	TAILQ_FOREACH (card, &manager->cards, link) {
		n++;
	}
	return n;
}

static int handle_kept(sd_bus_message *reply, void *data, sd_bus_error *error) {
	unsigned n = count_cards(data);
	uint32_t kept;
	if (sd_bus_message_is_method_error(reply, NULL) ||
		sd_bus_message_read(reply, "v", "u", &kept) < 0) {
		log_debug("systemd does not tell what it keeps");
	} else if (kept < n) {
		log_warning("systemd keeps %" PRIu32 " of %u cards: a restart ends the leases on "
			    "the others. " REMEDY,
			kept, n);
	}
	return 0;
}

/* systemd drops a file that it has no room for without a word, and $FDSTORE, which tells the room,
 * is of systemd 254: so it is asked what it has. It reads what we sent it before that. */
static void ask_systemd(sd_bus *bus, const struct manager *manager) {
	AUTO_FREE char *unit = NULL;
	AUTO_FREE char *path = NULL;
	int r = sd_pid_get_unit(0, &unit);
	if (r >= 0) {
		r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);
	}
	if (r >= 0) {
		r = sd_bus_call_method_async(bus, NULL, "org.freedesktop.systemd1", path,
			"org.freedesktop.DBus.Properties", "Get", handle_kept, (void *)manager,
			"ss", "org.freedesktop.systemd1.Service", "NFileDescriptorStore");
	}
	if (r < 0) {
		log_debug("Cannot ask systemd what it keeps: %s", strerror(-r));
	}
}

void store_check(sd_bus *bus, const struct manager *manager) {
	if (manager->seat) {
		log_warning(
			"The cards are the seat manager's, which takes them back: a restart ends "
			"all leases. Seat=none in scanoutd.conf is without one");
	} else if (getenv("NOTIFY_SOCKET")) {
		ask_systemd(bus, manager);
	} else if (getenv("SYSTEMD_EXEC_PID") && atoi(getenv("SYSTEMD_EXEC_PID")) == getpid()) {
		log_warning("systemd does not keep the cards: a restart of this service ends all "
			    "leases. " REMEDY);
	} else {
		log_warning(
			"Nothing keeps the cards when this process ends: that ends all leases. "
			"As a service ('systemctl start scanoutd') it is restarted without that");
	}
}
