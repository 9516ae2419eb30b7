/*
 * The data that all commands of scanoutctl share.
 *
 * A function that takes a `struct ctl` reports its failures itself and returns an exit code (enum
 * ctl_exit, 0 is success). All other functions print nothing and return a negative errno.
 */
#ifndef SCANOUT_CTL_CTL_H
#define SCANOUT_CTL_CTL_H

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
	bool finished; // set by --help and --version: there is nothing more to do
};

#endif
