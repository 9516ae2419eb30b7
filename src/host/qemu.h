/*
 * One QEMU, by its D-Bus display: finds its consoles, and again after it was restarted. Its user
 * asks for the pictures of those that somebody wants.
 */
#ifndef SCANOUT_HOST_QEMU_H
#define SCANOUT_HOST_QEMU_H

#include "host/capture.h"
#include "host/console.h"

struct qemu;

/* Called from the event loop. */
struct qemu_handlers {
	/* The consoles are known; all are graphic ones. */
	void (*found)(void *data, struct qemu *qemu);
	/*
	 * It cannot be used, or not any more: its consoles are forgotten, and it is tried again by
	 * itself. `name` is that of an error, `message` says what to do; NULL if QEMU has merely
	 * gone.
	 */
	void (*lost)(void *data, struct qemu *qemu, const char *name, const char *message);
};

struct qemu {
	const char *name;    // borrowed: the VM's
	const char *address; // borrowed: of the bus that QEMU is on
	struct console_list consoles;
	sd_event *event;         // borrowed
	struct capture *capture; // borrowed
	bool wants_copies;       // set by the caller: pictures by messages, not by shared memory
	const struct qemu_handlers *handlers;
	void *data;
	sd_bus *bus;                // NULL between two attempts
	sd_event_source *again;     // the next attempt
	unsigned n_failed;          // attempts in a row
	struct qemu_query *queries; // of the consoles
	unsigned n_asked;           // of these, not yet answered
	bool is_found;              // found() was called; cleared as lost() is
};

/* Begins to connect. The handlers are called later, never from here. */
int qemu_init(struct qemu *qemu, sd_event *event, struct capture *capture,
	const struct qemu_handlers *handlers, void *data);
void qemu_finish(struct qemu *qemu);

/*
 * Asks for the pictures of a console: they come to the screen until the listener is removed. A
 * refusal by QEMU closes the listener again, which the screen tells.
 */
int qemu_listen(struct qemu *qemu, const struct console *console, const char *name,
	struct screen *screen, struct listener **ret);

#endif
