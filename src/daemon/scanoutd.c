#include "daemon/scanoutd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/arguments.h"
#include "daemon/bus/agent.h"
#include "daemon/bus/bus.h"
#include "daemon/bus/bus_agent.h"
#include "daemon/bus/bus_signals.h"
#include "daemon/bus/store.h"
#include "daemon/core/hostmem.h"
#include "daemon/core/inventory.h"
#include "daemon/core/manager.h"
#include "daemon/core/monitor.h"
#include "daemon/core/pause.h"
#include "daemon/core/request.h"
#include "daemon/core/selection.h"
#include "daemon/kms/seat.h"
#include "daemon/model/config_file.h"
#include "daemon/util/failpoint.h"
#include "daemon/util/log.h"
#include "daemon/util/passed.h"

/* sysexits(3), documented in scanoutd(8). */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_NO_CARD = 69,   // a card of Devices= or the system bus cannot be used
	EXIT_CARD_BUSY = 75, // another process is master of a card
	EXIT_DENIED = 77,
	EXIT_CONFIG = 78,
};

#define RELEASE_USEC 3000000

struct scanoutd {
	struct arguments arguments;
	sd_event *event;
	struct manager manager;
	struct seat *seat;
	struct monitor *monitor;
	struct bus *bus;
	struct bus_agents *agents;
	struct bus_signals *signals;
	struct agent *agent;
	struct passed passed;
	struct hostmem *hostmem;
	sd_event_source *drained;
};

static void on_seat_changed(void *data, bool enabled) {
	struct scanoutd *d = data;
	if (enabled) {
		pause_end(&d->manager);
	} else {
		pause_begin(&d->manager);
	}
}

static void warn(void *data, const char *text) {
	log_warning("%s", text);
}

static void on_ready(void *data) {
	struct scanoutd *d = data;
	unsigned total, n_free;
	/* Not earlier: who asks before there are scanouts would be refused. Nor again, when the bus
	 * has come back. */
	if (!d->agent) {
		if (agent_listen(d->event, d->agents, &d->passed, d->manager.config.agent_socket,
			    &d->agent) < 0) {
			sd_event_exit(d->event, EXIT_FAILED);
			return;
		}
		store_check(d->bus->system.connection, &d->manager);
		selection_check(&d->manager, warn, NULL);
	}
	manager_count(&d->manager, &total, &n_free);
	log_info("Ready: %u of %u scanouts are free", n_free, total);
	FAILPOINT("start-ready");
	sd_notifyf(false, "READY=1\nSTATUS=%u scanouts", total);
}

static void on_failed(void *data, int error) {
	struct scanoutd *d = data;
	sd_event_exit(d->event, error == -EACCES ? EXIT_DENIED : EXIT_NO_CARD);
}

/* With OnStop=release: the end of the process comes when the pictures are off. */
static int exit_if_drained(sd_event_source *source, void *data) {
	struct scanoutd *d = data;
	return manager_is_draining(&d->manager) ? 0 : sd_event_exit(d->event, EXIT_OK);
}

static int exit_undrained(sd_event_source *source, uint64_t usec, void *data) {
	log_warning("Not all scanouts could be blanked in time");
	return sd_event_exit(sd_event_source_get_event(source), EXIT_OK);
}

static int release_all(struct scanoutd *d) {
	request_release_all(&d->manager);
	int r = sd_event_add_post(d->event, &d->drained, exit_if_drained, d);
	if (r < 0) {
		return r;
	}
	return sd_event_add_time_relative(
		d->event, NULL, CLOCK_MONOTONIC, RELEASE_USEC, 0, exit_undrained, d);
}

static int handle_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
	struct scanoutd *d = data;
	log_info("Stopping");
	sd_notify(false, "STOPPING=1");
	/* Now: the end of the event loop closes the bus. */
	bus_agents_drop_calls(d->agents);
	queue_refuse_all(&d->manager.queue);
	if (d->manager.config.release_on_stop && !d->drained && release_all(d) >= 0) {
		return 0;
	}
	return sd_event_exit(d->event, EXIT_OK);
}

static int handle_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
	struct scanoutd *d = data;
	struct config config;
	char error[512];

	sd_notify(false, "RELOADING=1");
	if (config_load(d->arguments.config, &config, error, sizeof(error)) < 0) {
		log_error("%s. The configuration stays as it was", error);
	} else {
		request_reconfigure(&d->manager, &config);
		inventory_update_all(&d->manager);
		log_info(
			"The configuration is loaded again; Devices= and Seat= apply at the next start");
		selection_check(&d->manager, warn, NULL);
	}
	sd_notify(false, "READY=1");
	return 0;
}

static int add_signals(struct scanoutd *d) {
	static const struct {
		int number;
		sd_event_signal_handler_t handler;
	} signals[] = {{SIGTERM, handle_stop}, {SIGINT, handle_stop}, {SIGHUP, handle_reload}};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i].number);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return -errno;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int r = sd_event_add_signal(
			d->event, NULL, signals[i].number, signals[i].handler, d);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int to_exit_status(const char *device, int error) {
	switch (error) {
	case -EBUSY:
		return EXIT_CARD_BUSY;
	case -EACCES:
	case -EPERM:
		return EXIT_DENIED;
	case -ENXIO:
		log_error("%s: Has no outputs. Name another card in Devices= of scanoutd.conf",
			device);
		return EXIT_NO_CARD;
	default:
		return EXIT_NO_CARD;
	}
}

/* Opens what is there now; with Devices=auto more may come. Returns 0 or an exit status. */
static int open_cards(struct scanoutd *d) {
	char found[MAX_CARDS][64];
	char **listed = d->manager.config.devices;

	int r = inventory_adopt(&d->manager, &d->passed);
	if (r < 0) {
		return EXIT_FAILED; // systemd has it still, and starts us again
	}
	for (char **p = listed; p && *p; p++) {
		char node[64];
		r = d->manager.ops->resolve(*p, &node);
		if (r < 0) {
			log_error(
				"%s: %s. Name a card in Devices= of scanoutd.conf: 'ls -l /dev/dri "
				"/dev/dri/by-path' shows them",
				*p, r == -ENXIO ? "Leads to no card" : strerror(-r));
			return EXIT_NO_CARD;
		}
		if (manager_find_card(&d->manager, node)) {
			continue;
		}
		r = inventory_add(&d->manager, node);
		if (r < 0) {
			return to_exit_status(*p, r);
		}
	}
	selection_log_unused(&d->manager);
	int n = listed ? 0 : d->manager.ops->enumerate(found, MAX_CARDS);
	if (n < 0) {
		log_error("Cannot look for cards in /dev/dri: %s", strerror(-n));
		return EXIT_NO_CARD;
	}
	for (int i = 0; i < n; i++) {
		int wanted = selection_has_card(&d->manager, found[i]);
		if (wanted < 0) {
			return EXIT_FAILED;
		}
		if (!wanted || manager_find_card(&d->manager, found[i])) {
			continue;
		}
		r = inventory_add(&d->manager, found[i]);
		/* No outputs: a render-only device is not meant. Not ready: events will tell. */
		if (r < 0 && r != -ENXIO && r != -ENODEV) {
			return to_exit_status(found[i], r);
		}
	}
	if (TAILQ_EMPTY(&d->manager.cards)) {
		log_warning("No virtio-gpu with outputs yet; waiting for one");
	}
	return 0;
}

static int start(struct scanoutd *d) {
	int r = seat_open(d->event, d->manager.config.seat, on_seat_changed, d, &d->seat);
	if (r < 0) {
		return EXIT_NO_CARD;
	}
	d->manager.seat = d->seat;

	r = request_init(&d->manager);
	if (r < 0) {
		log_error("Cannot set up the queue: %s", strerror(-r));
		return EXIT_FAILED;
	}
	/* Before the cards are looked at, so that none that comes in between is missed. */
	r = monitor_new(&d->manager, &d->monitor);
	if (r < 0) {
		log_error("Cannot hear the kernel's events: %s", strerror(-r));
		return EXIT_FAILED;
	}
	d->hostmem = hostmem_watch(&d->manager);
	r = bus_new(&d->manager, on_ready, on_failed, d, &d->bus);
	if (r >= 0) {
		r = bus_agents_new(&d->manager, &d->agents);
	}
	if (r >= 0) {
		r = bus_signals_new(d->bus, d->agents, &d->signals);
	}
	if (r < 0) {
		log_error("Cannot set up the bus connection: %s", strerror(-r));
		return EXIT_NO_CARD;
	}
	r = open_cards(d);
	if (r != 0) {
		return r;
	}
	if (d->manager.preparing == 0) {
		bus_take_name(d->bus);
	}
	r = sd_event_loop(d->event);
	if (r < 0) {
		log_error("The event loop fails: %s", strerror(-r));
	}
	return r < 0 ? EXIT_FAILED : r;
}

int scanoutd_run(int argc, char *argv[], const struct card_ops *ops) {
	struct scanoutd d = {0};
	struct config config;
	char error[512];

	int status = arguments_parse(argc, argv, &d.arguments);
	if (status >= 0) {
		return status;
	}
	log_open();
	if (d.arguments.config_given && access(d.arguments.config, F_OK) < 0) {
		log_error("%s: %m. Name a file that exists, or leave out --config",
			d.arguments.config);
		return EXIT_CONFIG;
	}
	if (config_load(d.arguments.config, &config, error, sizeof(error)) < 0) {
		log_error("%s", error);
		return EXIT_CONFIG;
	}
	if (d.arguments.check_config) {
		printf("%s: The configuration is right\n", d.arguments.config);
		config_finish(&config);
		return EXIT_OK;
	}

	int r = sd_event_default(&d.event);
	if (r < 0) {
		config_finish(&config);
		return EXIT_FAILED;
	}
	manager_init(&d.manager, d.event, ops, &config);
	/* systemd.exec(5). Without systemd nothing keeps the cards, so there is nothing to name. */
	state_init(&d.manager.state, getenv("RUNTIME_DIRECTORY"));
	d.manager.leases.last_generation = d.manager.state.table.last_generation;
	passed_collect(&d.passed);
	FAILPOINT("start-passed");
	r = add_signals(&d);
	if (r >= 0) {
		r = sd_event_set_watchdog(d.event, true);
	}
	if (r < 0) {
		log_error("Cannot set up the event loop: %s", strerror(-r));
		status = EXIT_FAILED;
	} else {
		status = start(&d);
	}

	agent_destroy(d.agent);
	bus_signals_destroy(d.signals);
	bus_agents_destroy(d.agents);
	bus_destroy(d.bus);
	monitor_destroy(d.monitor);
	hostmem_destroy(d.hostmem);
	manager_finish(&d.manager);
	seat_close(d.seat);
	passed_finish(&d.passed);
	sd_event_source_disable_unref(d.drained);
	sd_event_unref(d.event);
	return status;
}
