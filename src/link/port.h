/*
 * The VM's end of the port, a virtio-serial one. The host comes and goes, and need not read: what
 * it does not take in time is dropped, and all is told again when it does. Nothing here waits.
 */
#ifndef SCANOUT_LINK_PORT_H
#define SCANOUT_LINK_PORT_H

#include <systemd/sd-event.h>

#include "common/say.h"
#include "wire/lines.h"
#include "wire/outbox.h"

struct port {
	int fd;          // borrowed
	sd_event *event; // borrowed
	/* The host knows nothing: port_tell() it all. A hello was told already. */
	void (*greeted)(void *data);
	void *data;

	sd_event_source *source;
	struct lines lines;
	struct outbox outbox;
	bool is_there;  // set while something on the host has the port open
	bool is_asked;  // set by the host's hello, and as is_there is; cleared as greeted() is
			// called
	bool is_behind; // set as something was dropped; cleared as greeted() is called
	struct seldom refused;
};

/* With all above `source` set and the rest zero. -EPERM: that fd is no port. */
int port_open(struct port *port);
void port_close(struct port *port);
/* Nothing happens while the host is not there: it will be told all. */
void port_tell(struct port *port, const struct message *message);

#endif
