/* Reports failures: a sentence on stderr, or an object with --json, and an exit code. */
#ifndef SCANOUT_HOST_REPORT_H
#define SCANOUT_HOST_REPORT_H

#include "host/host.h"

/* Prints "scanout-host: NAME: message" and returns the code. */
__attribute__((format(printf, 4, 5))) int report(
	struct host *host, int code, const char *name, const char *format, ...);
/* Prints the message and the usage of the command; returns HOST_USAGE. */
__attribute__((format(printf, 2, 3))) int report_usage(struct host *host, const char *format, ...);
/* Something of this machine's failed, by a negative errno. */
int report_errno(struct host *host, int r);

#endif
