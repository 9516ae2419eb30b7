/*
 * What the commands of scanoutctl share.
 *
 * A function that takes a `struct ctl` reports its failures itself and returns an exit code
 * (enum ctl_exit, 0 is success). Every other function is silent and returns a negative errno.
 */
#ifndef SCANOUT_CTL_SCANOUTCTL_H
#define SCANOUT_CTL_SCANOUTCTL_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

/* Documented in scanoutctl(1): scripts rely on these. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_REFUSED = 1,
	CTL_USAGE = 2,
	CTL_UNREACHABLE = 3,
	CTL_NOT_EXECUTABLE = 126,
	CTL_NOT_FOUND = 127,
};

struct ctl;

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(struct ctl *ctl, int argc, char *argv[]);
};

struct ctl {
	const struct command *command; // NULL before the command is known
	const char *address;           // NULL for the system bus
	sd_bus *bus;                   // NULL before client_connect()
	bool json;
	bool color;
	bool finished; // the command line was answered already, as by --help
};

int run_list(struct ctl *ctl, int argc, char *argv[]);
int run_status(struct ctl *ctl, int argc, char *argv[]);
int run_release(struct ctl *ctl, int argc, char *argv[]);
int run_request(struct ctl *ctl, int argc, char *argv[]);
int run_monitor(struct ctl *ctl, int argc, char *argv[]);
int run_cdi(struct ctl *ctl, int argc, char *argv[]);
int run_doctor(struct ctl *ctl, int argc, char *argv[]);

#endif
