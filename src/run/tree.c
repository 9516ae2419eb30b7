#include "run/tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/number.h"

struct process_list {
	struct tree_process *items;
	size_t n, room;
};

static int append(struct process_list *list, const struct tree_process *process) {
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct tree_process *items = reallocarray(list->items, room, sizeof(*items));
		if (!items) {
			return -ENOMEM;
		}
		list->items = items;
		list->room = room;
	}
	list->items[list->n++] = *process;
	return 0;
}

/* The n-th field of proc(5)'s stat behind the name, which may have spaces and brackets itself. */
static const char *find_field(const char *line, int n) {
	const char *field = strrchr(line, ')');
	for (int i = 2; field && i < n; i++) {
		field = strchr(field + 1, ' ');
	}
	return field ? field + 1 : "";
}

/* False if it is gone. */
static bool read_process(pid_t pid, struct tree_process *ret) {
	char path[64], line[1024];
	unsigned parent;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f)) {
		return false;
	}
	const char *number = find_field(line, 4);
	if (!number_take(&number, INT_MAX, &parent)) {
		return false;
	}
	*ret = (struct tree_process){.pid = pid, .parent = (pid_t)parent};
	for (const char *digit = find_field(line, 22); *digit >= '0' && *digit <= '9'; digit++) {
		ret->started = 10 * ret->started + (unsigned)(*digit - '0');
	}
	return true;
}

static int list_all(struct process_list *list) {
	DIR *folder = opendir("/proc");
	struct tree_process process;
	int r = folder ? 0 : -errno;
	for (struct dirent *entry; r == 0 && (entry = readdir(folder));) {
		const char *name = entry->d_name;
		unsigned pid;
		if (number_take(&name, INT_MAX, &pid) && *name == '\0' &&
			read_process((pid_t)pid, &process)) {
			r = append(list, &process);
		}
	}
	if (folder) {
		closedir(folder);
	}
	return r;
}

static bool is_other(const struct tree *tree, const struct tree_process *process) {
	for (size_t i = 0; i < tree->n_others; i++) {
		if (tree->others[i].pid == process->pid &&
			tree->others[i].started == process->started) {
			return true;
		}
	}
	return false;
}

/* Moves what is below this process to the front; returns how many that are. */
static size_t sort_out(const struct tree *tree, struct tree_process *items, size_t n) {
	size_t n_ours = 0;
	pid_t parent = getpid();
	/* Each that is found is a parent in its turn. */
	for (size_t next = 0; next <= n_ours; next++) {
		for (size_t i = n_ours; i < n; i++) {
			if (items[i].parent == parent && !is_other(tree, &items[i])) {
				struct tree_process found = items[i];
				items[i] = items[n_ours];
				items[n_ours++] = found;
			}
		}
		parent = next < n_ours ? items[next].pid : 0;
	}
	return n_ours;
}

int tree_init(struct tree *tree) {
	struct process_list list = {0};
	*tree = (struct tree){0};
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		return -errno;
	}
	int r = list_all(&list);
	tree->n_others = sort_out(tree, list.items, list.n);
	tree->others = list.items;
	return r == -ENOENT ? 0 : r; /* without /proc nobody is known but the command itself */
}

void tree_finish(struct tree *tree) {
	free(tree->others);
	*tree = (struct tree){0};
}

unsigned tree_signal(const struct tree *tree, int signal_number) {
	struct process_list list = {0};
	(void)list_all(&list); /* what there was room for */
	size_t n = sort_out(tree, list.items, list.n);
	for (size_t i = 0; i < n && signal_number != 0; i++) {
		(void)kill(list.items[i].pid, signal_number);
		if (signal_number != SIGKILL) {
			(void)kill(
				list.items[i].pid, SIGCONT); /* one that is stopped hears nothing */
		}
	}
	free(list.items);
	return (unsigned)n;
}
