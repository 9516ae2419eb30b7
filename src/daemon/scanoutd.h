#ifndef SCANOUTD_SCANOUTD_H
#define SCANOUTD_SCANOUTD_H

struct card_ops;

/* The daemon with these cards, from the command line to the exit status of scanoutd(8). */
int scanoutd_run(int argc, char *argv[], const struct card_ops *ops);

#endif
