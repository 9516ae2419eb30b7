/* The command line: options of all commands, and which VM a scanout is of. */
#ifndef SCANOUT_HOST_OPTIONS_H
#define SCANOUT_HOST_OPTIONS_H

#include <getopt.h>

#include "host/host.h"

/* Long options without a letter start here; those of single commands from OPTION_OWN on. */
enum {
	OPTION_ADDRESS = 0x100,
	OPTION_VM,
	OPTION_LINK,
	OPTION_OWN = 0x200
};

/* For the option tables of commands that have their own options. How it is laid out depends on the
 * version of clang-format. */
/* clang-format off */
#define OPTIONS_COMMON \
	{"json", no_argument, NULL, 'j'}, \
	{"address", required_argument, NULL, OPTION_ADDRESS}, \
	{"vm", required_argument, NULL, OPTION_VM}, \
	{"link", required_argument, NULL, OPTION_LINK}, \
	{"help", no_argument, NULL, 'h'}
/* clang-format on */

/* Handles a result of getopt_long() that the caller does not know: a common option or an error. */
int options_common(struct host *host, int option, char *argv[]);
/* For commands without options of their own; the same as options_finish() after that. */
int options_parse(struct host *host, int argc, char *argv[], int count);
/* What is left after the options are `count` operands, and the VMs are known. */
int options_finish(struct host *host, int argc, char *argv[], int count);

/*
 * Splits [VM/]SCANOUT; where there is one VM it need not be named. The rest is for want_init().
 */
int options_split(
	struct host *host, const char *scanout, const struct vm **ret, const char **ret_rest);

#endif
