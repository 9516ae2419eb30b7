#include "daemon/util/fdstore.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon/util/log.h"

void fdstore_keep_card(const char *device, const char *name, int fd) {
	char message[FDSTORE_NAME_MAX + 32];
	snprintf(message, sizeof(message), "FDSTORE=1\nFDNAME=%s", name);
	int r = sd_pid_notify_with_fds(0, false, message, &fd, 1);
	if (r < 0) {
		log_warning("%s: systemd does not keep the card: %s. A restart will end its leases",
			device, strerror(-r));
	}
}

void fdstore_lease_name(uint64_t generation, char *ret, size_t size) {
	snprintf(ret, size, FDSTORE_LEASE "%" PRIu64, generation);
}

void fdstore_keep_lease(uint64_t generation, int copy_fd, int asker_fd) {
	char name[64], message[128];
	int fds[] = {copy_fd, asker_fd};
	fdstore_lease_name(generation, name, sizeof(name));
	/* FDPOLL=0: systemd would drop a pidfd whose process is gone, just when it is needed. */
	snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	int r = sd_pid_notify_with_fds(0, false, message, fds, 2);
	if (r < 0) {
		log_warning("%s: systemd does not keep it: %s. After a restart its last picture "
			    "will not linger",
			name, strerror(-r));
	}
}

void fdstore_forget_lease(uint64_t generation) {
	char name[64];
	fdstore_lease_name(generation, name, sizeof(name));
	sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void fdstore_forget(const char *name) {
	if (name[0] != '\0') {
		sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	}
}
