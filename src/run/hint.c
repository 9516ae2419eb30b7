#include "run/hint.h"

#include <stdlib.h>
#include <string.h>

#include "common/say.h"
#include "run/xorg.h"

/* Whether a word of the command has this in it, be it in a script. */
static bool mentions(const struct session *session, const char *text) {
	for (char *const *word = session->options->command; *word; word++) {
		if (strstr(*word, text)) {
			return true;
		}
	}
	return false;
}

/* Mutter dies of it in an assertion that names neither the bus nor the way to one. */
static bool lacks_session_bus(const struct session *session) {
	return session->program->sizing == SIZING_MUTTER && !getenv("DBUS_SESSION_BUS_ADDRESS") &&
	       !mentions(session, "dbus-run-session") && !mentions(session, "dbus-launch");
}

/* One that is not known, and has looked for its card elsewhere than at the seat. */
static bool wants_another_seat(const struct session *session) {
	return !session->program->name && !session->options->seats && !session->was_met;
}

void hint_failed(struct session *session) {
	const char *command = session->options->command[0];
	if (session->was_hinted) {
		return;
	}
	session->was_hinted = true;
	if (lacks_session_bus(session)) {
		say("%s needs a session bus, and there is none: put 'dbus-run-session' "
		    "before it",
			session->program->name);
	} else if (wants_another_seat(session)) {
		say("'%s' has connected to neither logind's nor seatd's socket; if it opens "
		    "the card by its path, add --seat=preload, and if it takes an fd, "
		    "--seat=fd",
			command);
	} else if (session->program->speaks_x11 && session->program_index < 0 &&
		   xorg_find_wrapped()) {
		say("In a script, the setuid wrapper of X accepts no lease: write '%s "
		    "-masterfd @FD@' there",
			xorg_find_wrapped());
	}
}
