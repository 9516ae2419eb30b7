#include "ctl/place.h"

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "lib/connection.h"

/* Without systemd there is nothing to start; one in a container leaves a note of that. */
static bool is_in_container(void) {
	return sd_booted() == 0 || access("/run/systemd/container", F_OK) == 0;
}

const char *place_advise(void) {
	if (!is_in_container()) {
		return NULL;
	}
	if (access(CONNECTION_GUEST_SOCKET, F_OK) == 0) {
		return "In a container, add --address=unix:path=" CONNECTION_GUEST_SOCKET;
	}
	return "In a container, start that with " CONNECTION_GUEST_MOUNT
	       " and add --address=unix:path=" CONNECTION_GUEST_SOCKET;
}
