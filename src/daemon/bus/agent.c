#include "daemon/bus/agent.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/socket.h"
#include "daemon/bus/bus_agent.h"
#include "daemon/util/log.h"
#include "daemon/util/passed.h"

#define MAX_SOCKETS 8

struct agent {
	sd_event *event;
	struct bus_agents *agents;
	sd_event_source *sockets[MAX_SOCKETS];
	size_t n_sockets;
	bool is_short; // set when an fd was missing for one, until the next is accepted: told once
	char *path;    // of the one to remove at the end, or NULL
};

static int handle_connection(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct agent *agent = data;
	for (int i = 0; i < SOCKET_MAX_ACCEPTED; i++) {
		int client = socket_accept(fd);
		int r = client < 0 ? client : bus_agents_add(agent->agents, client);
		if (r < 0 && r != -EAGAIN && !agent->is_short) {
			log_warning("An agent is turned away: %s", strerror(-r));
		}
		agent->is_short = client < 0 && r != -EAGAIN;
		if (client < 0) {
			break;
		}
	}
	return 0;
}

static int serve(struct agent *agent, int fd) {
	if (agent->n_sockets == MAX_SOCKETS) {
		return -ENOBUFS;
	}
	int r = socket_serve(
		agent->event, &agent->sockets[agent->n_sockets], fd, handle_connection, agent);
	agent->n_sockets += r >= 0;
	return r;
}

static int serve_path(struct agent *agent, const char *path) {
	char directory[PATH_MAX];
	snprintf(directory, sizeof(directory), "%s", path);
	/* umask is not for it: the mode of the socket says who reaches that. */
	mode_t mask = umask(0022);
	int r = mkdir(dirname(directory), 0755) < 0 && errno != EEXIST ? -errno : 0;
	umask(mask);
	if (r < 0) {
		return r;
	}
	AUTO_FREE char *copy = strdup(path);
	if (!copy) {
		return -ENOMEM;
	}
	AUTO_CLOSE int fd = socket_listen(path, 0600);
	if (fd < 0) {
		return fd;
	}
	agent->path = TAKE_PTR(copy);
	r = serve(agent, fd);
	if (r >= 0) {
		fd = -1; // the event source's
	}
	return r;
}

static int serve_passed(struct agent *agent, struct passed *passed) {
	const char *name;
	int taken, r = 0;
	while (r >= 0 && (taken = passed_take(passed, "agent", &name)) >= 0) {
		r = serve(agent, taken);
		if (r < 0) {
			close(taken);
		}
	}
	return r;
}

int agent_listen(sd_event *event, struct bus_agents *agents, struct passed *passed,
	const char *path, struct agent **ret) {
	struct agent *agent = calloc(1, sizeof(*agent));
	if (!agent) {
		return -ENOMEM;
	}
	agent->event = event;
	agent->agents = agents;
	int r = serve_passed(agent, passed);
	if (r >= 0 && path) {
		r = serve_path(agent, path);
	}
	if (r < 0) {
		log_error("Cannot listen for agents on %s: %s",
			path ? path : "the socket of systemd", strerror(-r));
		agent_destroy(agent);
		return r;
	}
	*ret = agent;
	return 0;
}

void agent_destroy(struct agent *agent) {
	if (!agent) {
		return;
	}
	for (size_t i = 0; i < agent->n_sockets; i++) {
		sd_event_source_disable_unref(agent->sockets[i]);
	}
	if (agent->path) {
		unlink(agent->path);
		free(agent->path);
	}
	free(agent);
}
