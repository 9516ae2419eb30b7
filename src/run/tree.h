/*
 * The processes of a command: all descendants of this process, in any process group or session. A
 * process that loses its parent becomes a child of this one.
 */
#ifndef SCANOUT_RUN_TREE_H
#define SCANOUT_RUN_TREE_H

#include <stddef.h>
#include <sys/types.h>

struct tree_process {
	pid_t pid, parent;
	unsigned long long started; // distinguishes it from a later process with its pid
};

struct tree {
	struct tree_process *others; // children from before the command, not part of it
	size_t n_others;
};

/* To be called before the command starts. Returns negative errno. */
int tree_init(struct tree *tree);
void tree_finish(struct tree *tree);

/* Signals all processes of the command; with 0 only counts them. Returns their number. */
unsigned tree_signal(const struct tree *tree, int signal_number);

#endif
