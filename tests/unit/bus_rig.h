/* A dbus-daemon of its own with the real daemon on fake cards, the real front, and clients. */
#ifndef TESTS_BUS_RIG_H
#define TESTS_BUS_RIG_H

#include <systemd/sd-bus.h>

#include "common/cleanup.h"
#include "scanout/dbus_names.h"
#include "support.h"

struct bus_rig {
	char *directory; // of socket, configurations and log
	char *config;    // scanoutd.conf's path
	char *log;       // what the daemon wrote to stderr
	char *address;
	int notify_fd;     // NOTIFY_SOCKET of the daemon
	bool by_hand;      // daemons get no NOTIFY_SOCKET and no sockets passed
	const char *clock; // of daemons: "stopped" at first, "hurried" or "real", see fake_clock.h
	pid_t bus, daemon, front; // the front is started with the first daemon
	sd_bus *client;
};

/* A child that does not outlive the test. Returns 0 in the child. */
pid_t bus_rig_fork(void);
/* Directory and addresses; nothing runs yet. */
struct bus_rig *bus_rig_new(void);
/* Starts dbus-daemon. `may_own`: whether its policy lets anybody take a name. */
void bus_rig_start_bus(struct bus_rig *rig, bool may_own);
void bus_rig_kill_bus(struct bus_rig *rig);
/* The process that serves this one's connections; 0 if there is none. */
pid_t bus_rig_find_front(struct bus_rig *rig);

/* Starts the daemon on these cards ("16", see scanoutd_fake.c) and returns its pid. */
pid_t bus_rig_spawn(struct bus_rig *rig, const char *cards, const char *argument);
/* The same as rig->daemon, waiting until it is ready. */
void bus_rig_start_daemon(struct bus_rig *rig, const char *cards);
/* Starts the front on a new socket, with the page of a struct fault if there is one. */
void bus_rig_start_front(struct bus_rig *rig);
/* Waits for a line in what the daemon notifies, such as "READY=1". */
void bus_rig_wait_notified(struct bus_rig *rig, const char *line);
/* Ends the daemon and starts one with another clock, and four outputs. */
void bus_rig_change_clock(struct bus_rig *rig, const char *clock);
/* Ends the daemon; it must end well: no leak, no picture seen. */
void bus_rig_stop_daemon(struct bus_rig *rig);
/* Runs the daemon to its end. Returns the exit status; its output is in rig->log. */
int bus_rig_run(struct bus_rig *rig, const char *cards, const char *argument);
void bus_rig_write_config(struct bus_rig *rig, const char *text);
/* Waits until the daemon has written this to stderr. */
void bus_rig_wait_logged(struct bus_rig *rig, const char *text);
void assert_logged(struct bus_rig *rig, const char *text);
/* It has ended with this exit status; else its log is shown. */
void bus_rig_assert_exit(struct bus_rig *rig, int status, int code);

void bus_rig_destroy(struct bus_rig *rig);

/* cmocka's setup and teardown: bus, daemon with four outputs, one client. */
int bus_rig_setup(void **state);
int bus_rig_teardown(void **state);

/* Connects to a bus, or to a peer. Its calls wait for their answers, however long that takes. */
int bus_rig_try_connect(const char *address, bool is_bus, sd_bus **ret);
/* A new connection, which the caller closes with sd_bus_flush_close_unref(). */
sd_bus *bus_rig_connect(struct bus_rig *rig);

/* The same without the bus, to the socket for guests, "guest", or for agents, "agent". */
sd_bus *bus_rig_connect_peer(struct bus_rig *rig, const char *name);
int bus_rig_guest_socket(struct bus_rig *rig);
sd_bus *bus_rig_guest(struct bus_rig *rig);

/* Calls a method of the manager and asserts that it works. The caller owns the reply. */
sd_bus_message *call(sd_bus *bus, const char *method, const char *types, ...);
/* Calls and asserts the name of the error. */
void assert_error(sd_bus *bus, const char *name, const char *method, const char *types, ...);
/* The error's name of a call, or "" if it works; for children, where nothing may be asserted. */
void call_for_error(
	char *ret, size_t size, sd_bus *bus, const char *method, const char *types, ...);

/* RequestScanout without options. Returns a copy of the lease; `ret_id` may be NULL. */
int get_lease(sd_bus *bus, char ret_id[64]);

/* Finds `key` in the a{sv} at the read position, which moves behind it. */
bool dict_find(sd_bus_message *m, const char *key, char type, void *ret);

/* The object path of a scanout; the caller frees it. */
char *scanout_path(const char *id);
/* A string property of a scanout; the caller frees it. */
char *scanout_property(sd_bus *bus, const char *id, const char *property);
void wait_for_state(sd_bus *bus, const char *id, const char *state);
uint32_t count_free(sd_bus *bus);
void wait_for_free(sd_bus *bus, uint32_t n);

/* Handles the connection's messages until the condition holds. */
#define process_until(bus, condition)                                                           \
	do {                                                                                    \
		uint64_t process_until_since_ = patience_begin(#condition);                     \
		while (!(condition)) {                                                          \
			int process_until_r_ = sd_bus_process((bus), NULL);                     \
			assert_true(process_until_r_ >= 0);                                     \
			if (process_until_r_ == 0) {                                            \
				assert_true(sd_bus_wait((bus),                                  \
						    patience_step(process_until_since_)) >= 0); \
			}                                                                       \
		}                                                                               \
		patience_end();                                                                 \
	} while (0)

#endif
