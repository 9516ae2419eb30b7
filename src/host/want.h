/*
 * A scanout that somebody wants to see: its pictures come to a screen for as long as this lasts,
 * also after QEMU was restarted.
 */
#ifndef SCANOUT_HOST_WANT_H
#define SCANOUT_HOST_WANT_H

#include "host/host.h"
#include "host/link.h"
#include "host/qemu.h"

struct want {
	struct qemu qemu;
	const char *scanout;   // borrowed: a head, or a name that the link knows
	const char *link_path; // borrowed; NULL: there is no link
	struct link link;      // while the name is looked up: others are in line for it
	char *title;           // of the scanout, for messages
	struct screen screen;
	struct listener *listener; // NULL while QEMU is away
	bool was_found;            // from then on a QEMU that goes away is waited for
	bool is_lost;              // the user was told that it is; cleared as it comes back
	/* It cannot be had: an exit code, the name of an error, and what to do. */
	void (*failed)(void *data, int code, const char *name, const char *message);
	void *data;
};

/*
 * Of `vm`; `scanout` is what options_split() leaves: for console_find(), or else for
 * tenants_find(). A name is looked up once QEMU is there, and again when it is back; then it may
 * come late. The event loop calls failed().
 */
int want_init(struct want *want, sd_event *event, struct capture *capture, const struct vm *vm,
	const char *scanout);
/* Nobody looks at its screen any more. */
void want_finish(struct want *want);

#endif
