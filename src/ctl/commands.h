/* The commands of scanoutctl, each in a file of its own. */
#ifndef SCANOUT_CTL_COMMANDS_H
#define SCANOUT_CTL_COMMANDS_H

#include "ctl/commands.h"
#include "ctl/ctl.h"

int run_list(struct ctl *ctl, int argc, char *argv[]);
int run_status(struct ctl *ctl, int argc, char *argv[]);
int run_release(struct ctl *ctl, int argc, char *argv[]);
int run_request(struct ctl *ctl, int argc, char *argv[]);
int run_monitor(struct ctl *ctl, int argc, char *argv[]);
int run_seccomp(struct ctl *ctl, int argc, char *argv[]);
int run_resource(struct ctl *ctl, int argc, char *argv[]);
int run_cdi(struct ctl *ctl, int argc, char *argv[]);
int run_doctor(struct ctl *ctl, int argc, char *argv[]);

#endif
