/* The commands of scanout-host, each in a file of its own. */
#ifndef SCANOUT_HOST_COMMANDS_H
#define SCANOUT_HOST_COMMANDS_H

#include "host/host.h"

int run_list(struct host *host, int argc, char *argv[]);
int run_shot(struct host *host, int argc, char *argv[]);
int run_record(struct host *host, int argc, char *argv[]);
int run_measure(struct host *host, int argc, char *argv[]);
int run_qemu_args(struct host *host, int argc, char *argv[]);
int run_doctor(struct host *host, int argc, char *argv[]);

#endif
