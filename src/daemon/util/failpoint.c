#ifdef FAILPOINTS

#include "daemon/util/failpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/util/log.h"

#define PATH "/run/scanoutd/failpoint"

static int act(const char *action) {
	if (strcmp(action, "kill") == 0) {
		raise(SIGKILL);
	} else if (strcmp(action, "stop") == 0) {
		raise(SIGSTOP);
	} else if (strcmp(action, "term") == 0) {
		/* Not raise(): the worker's thread blocks it; the process's is read by the loop. */
		kill(getpid(), SIGTERM);
	} else {
		return -atoi(action);
	}
	return 0;
}

int failpoint_reach(const char *name) {
	char wanted[32], action[16];
	int before = errno;
	AUTO_FCLOSE FILE *file = fopen(PATH, "re");
	/* The loop and a worker may both be here: the one that removes the file acts. */
	bool hit = file && fscanf(file, "%31s %15s", wanted, action) == 2 &&
		   strcmp(name, wanted) == 0 && unlink(PATH) == 0;
	if (hit) {
		log_warning("Failpoint %s: %s", name, action);
	}
	errno = before;
	return hit ? act(action) : 0;
}

#endif
