/* scanoutctl monitor: what happens, as it happens. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "common/cleanup.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/event.h"
#include "ctl/options.h"
#include "ctl/report.h"
#include "scanout/dbus_names.h"

#define AUTO_EVENT CLEANUP(sd_event_unrefp)

static int handle_signal(sd_bus_message *m, void *data, sd_bus_error *error) {
	struct ctl *ctl = data;
	sd_event *loop = sd_bus_get_event(sd_bus_message_get_bus(m));
	int r = event_print(m, ctl->json);
	if (r == -EIO) {
		return sd_event_exit(loop, CTL_OK); // main() tells about the output
	}
	if (r < 0) {
		report_bad_reply(ctl, sd_bus_message_get_member(m), r);
	}
	return 0;
}

static int subscribe(struct ctl *ctl) {
	static const char *const matches[] = {
		"type='signal',sender='" SCANOUT_BUS_NAME "',path_namespace='" SCANOUT_BUS_PATH "'",
		"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
		"member='NameOwnerChanged',arg0='" SCANOUT_BUS_NAME "'",
	};
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		int r = sd_bus_add_match(ctl->bus, NULL, matches[i], handle_signal, ctl);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* Nobody reads any more: without this, a monitor behind a closed pipe would wait for an event. */
static int handle_output_closed(sd_event_source *source, int fd, uint32_t events, void *data) {
	return sd_event_exit(sd_event_source_get_event(source), CTL_OK);
}

static int prepare_loop(struct ctl *ctl, sd_event *loop) {
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0) {
		return -errno;
	}
	int r = sd_event_add_signal(loop, NULL, SIGINT, NULL, NULL);
	r = r < 0 ? r : sd_event_add_signal(loop, NULL, SIGTERM, NULL, NULL);
	if (r < 0) {
		return r;
	}
	r = sd_event_add_io(loop, NULL, STDOUT_FILENO, 0, handle_output_closed, NULL);
	if (r < 0 && r != -EPERM) { // EPERM: a plain file, which never closes
		return r;
	}
	r = sd_bus_set_exit_on_disconnect(ctl->bus, true);
	if (r < 0) {
		return r;
	}
	return sd_bus_attach_event(ctl->bus, loop, SD_EVENT_PRIORITY_NORMAL);
}

static int print_watching(struct ctl *ctl) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE sd_bus_message *reply = NULL;
	int r = sd_bus_call_method(ctl->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
		"org.freedesktop.DBus", "NameHasOwner", &error, &reply, "s", SCANOUT_BUS_NAME);
	if (r < 0) {
		return report_call(ctl, &error, r);
	}
	int owned; // sd-bus writes an int for 'b'
	r = sd_bus_message_read(reply, "b", &owned);
	if (r < 0) {
		return report_bad_reply(ctl, "NameHasOwner", r);
	}
	r = event_print_watching(owned, ctl->json);
	return r == -ENOMEM ? report_no_memory(ctl) : CTL_OK;
}

int run_monitor(struct ctl *ctl, int argc, char *argv[]) {
	AUTO_EVENT sd_event *loop = NULL;
	int code = options_parse(ctl, argc, argv, 0);
	if (code != CTL_OK || ctl->finished) {
		return code;
	}
	code = client_connect(ctl);
	if (code != CTL_OK) {
		return code;
	}
	int r = subscribe(ctl);
	if (r < 0) {
		return report_call(ctl, &SD_BUS_ERROR_NULL, r);
	}
	r = sd_event_new(&loop);
	if (r >= 0) {
		r = prepare_loop(ctl, loop);
	}
	if (r < 0) {
		return report(ctl, CTL_UNREACHABLE, "NoEventLoop", "Waiting is not possible: %s.",
			strerror(-r));
	}
	code = print_watching(ctl);
	if (code != CTL_OK || ferror(stdout)) { // main() tells about the output
		return code;
	}
	// 0 from a signal or a closed pipe; else sd-bus left the loop since the bus is gone.
	if (sd_event_loop(loop) != 0) {
		return report(ctl, CTL_UNREACHABLE, "Disconnected",
			"The bus closed the connection. Type: systemctl status dbus");
	}
	return CTL_OK;
}
