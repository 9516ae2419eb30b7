#include "daemon/util/passed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

int passed_collect(struct passed *ret) {
	char **names = NULL;
	*ret = (struct passed){0};
	int n = sd_listen_fds_with_names(true, &names);
	if (n <= 0) {
		return n;
	}
	int *fds = calloc((size_t)n, sizeof(*fds));
	if (!fds) {
		for (int i = 0; i < n; i++) {
			free(names[i]);
		}
		free(names);
		return -ENOMEM;
	}
	for (int i = 0; i < n; i++) {
		fds[i] = SD_LISTEN_FDS_START + i;
	}
	*ret = (struct passed){.names = names, .fds = fds, .n = (size_t)n};
	return 0;
}

int passed_take(struct passed *passed, const char *prefix, const char **ret_name) {
	for (size_t i = 0; i < passed->n; i++) {
		if (passed->fds[i] >= 0 && strncmp(passed->names[i], prefix, strlen(prefix)) == 0) {
			int fd = passed->fds[i];
			passed->fds[i] = -1;
			*ret_name = passed->names[i];
			return fd;
		}
	}
	return -1;
}

void passed_finish(struct passed *passed) {
	for (size_t i = 0; i < passed->n; i++) {
		if (passed->fds[i] >= 0) {
			close(passed->fds[i]);
		}
		free(passed->names[i]);
	}
	free(passed->names);
	free(passed->fds);
	*passed = (struct passed){0};
}
