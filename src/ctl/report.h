/* Reports failures: a sentence on stderr, or an object with --json, and an exit code. */
#ifndef SCANOUT_CTL_REPORT_H
#define SCANOUT_CTL_REPORT_H

#include "ctl/ctl.h"

/* Prints "scanoutctl: NAME: message" and returns the code. */
__attribute__((format(printf, 4, 5))) int report(
	struct ctl *ctl, int code, const char *name, const char *format, ...);

/* Prints the message and the usage of the command; returns CTL_USAGE. */
__attribute__((format(printf, 2, 3))) int report_usage(struct ctl *ctl, const char *format, ...);

/* Prints why a call failed. `r` is its negative errno, used if the error has no name. */
int report_call(struct ctl *ctl, const sd_bus_error *error, int r);

/* Reports a reply that does not follow the contract. */
int report_bad_reply(struct ctl *ctl, const char *what, int r);

int report_no_memory(struct ctl *ctl);

/* What a D-Bus error means; used by the doctor as well. */
struct failure {
	int code;
	const char *name;   // without the prefix
	const char *advice; // its meaning and what to type; NULL if the message says that
};

struct failure report_classify(const sd_bus_error *error);

#endif
