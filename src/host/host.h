/*
 * The data that all commands of scanout-host share.
 *
 * A function that takes a `struct host` reports its failures itself and returns an exit code (enum
 * host_exit, 0 is success). All other functions return a negative errno.
 */
#ifndef SCANOUT_HOST_HOST_H
#define SCANOUT_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>

#define HOST_MAX_VMS 64

/* Documented in scanout-host(1), and the same as scanoutctl's: scripts rely on these. */
enum host_exit {
	HOST_OK = 0,
	HOST_FAILED = 1,
	HOST_USAGE = 2,
	HOST_UNREACHABLE = 3,
};

struct host;

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(struct host *host, int argc, char *argv[]);
};

struct vm {
	const char *name;
	const char *address; // of the bus that its QEMU is on
	const char *link;    // the socket of its link; NULL: none is known
};

struct host {
	const struct command *command; // NULL before the command is known
	struct vm vms[HOST_MAX_VMS];
	size_t n_vms;
	const char *link; // of the first VM, if it was named before that; cleared then
	char *text;       // owned: what a VM of the command line or the environment points to
	bool json;
	bool color;
	bool finished; // set by --help and --version: there is nothing more to do
};

#endif
