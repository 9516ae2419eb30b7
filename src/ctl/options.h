/* The command line: options of all commands, and usage errors. */
#ifndef SCANOUT_CTL_OPTIONS_H
#define SCANOUT_CTL_OPTIONS_H

#include <getopt.h>

#include "ctl/ctl.h"

/* Long options without a letter start here; those of single commands from OPTION_OWN on. */
enum {
	OPTION_ADDRESS = 0x100,
	OPTION_OWN = 0x200
};

/* For the option tables of commands that have their own options. How it is laid out depends on the
 * version of clang-format. */
/* clang-format off */
#define OPTIONS_COMMON \
	{"json", no_argument, NULL, 'j'}, \
	{"address", required_argument, NULL, OPTION_ADDRESS}, \
	{"help", no_argument, NULL, 'h'}
/* clang-format on */

/* Handles a result of getopt_long() that the caller does not know: a common option or an error. */
int options_common(struct ctl *ctl, int option, char *argv[]);

/*
 * Parses the arguments of a command without options of its own, which takes exactly `count`
 * operands; on return optind is the first. If ctl->finished is set, the command returns at once.
 */
int options_parse(struct ctl *ctl, int argc, char *argv[], int count);

#endif
