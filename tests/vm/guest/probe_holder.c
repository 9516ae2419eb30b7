/* Holders that do not stay: the requester hands the lease on, or never reads its reply. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"

/* The heir's end: shows the fill, tells so through the pipe, and holds on until it is killed. */
static void inherit(const struct probe *probe, struct probe_output *output, int pipe_fd) {
	int null;

	setsid();
	if (kms_init(&output->kms, output->lease.fd, probe->connector) < 0 ||
		probe_show(probe, output) < 0) {
		_exit(1);
	}
	/* Whoever reads our output until its end waits for the parent only. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		dup2(null, STDERR_FILENO) < 0 || write(pipe_fd, "", 1) != 1) {
		_exit(1);
	}
	close(pipe_fd);
	for (;;) {
		pause();
	}
}

static int wait_heir(int pipe_fd) {
	char byte;
	ssize_t n;

	do {
		n = read(pipe_fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -ECHILD;
}

int probe_handoff(const struct probe *probe) {
	AUTO_JSON cJSON *json = NULL;
	struct probe_output output;
	int fds[2], r;
	pid_t child;

	r = probe_take(probe, &output);
	if (r < 0) {
		return r;
	}
	if (pipe2(fds, O_CLOEXEC) < 0) {
		close(output.lease.fd);
		return probe_failed(-errno, "make a pipe");
	}
	child = fork();
	if (child == 0) {
		close(fds[0]);
		inherit(probe, &output, fds[1]);
	}
	r = child < 0 ? -errno : 0;
	close(fds[1]);
	close(output.lease.fd);
	if (r >= 0) {
		r = wait_heir(fds[0]);
	}
	close(fds[0]);
	if (r < 0) {
		return probe_failed(r, "hand the lease to a child");
	}
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "scanout", output.lease.id);
	cJSON_AddNumberToObject(json, "index", output.lease.index);
	cJSON_AddNumberToObject(json, "lessee", output.lease.lessee);
	cJSON_AddNumberToObject(json, "child", child);
	report_line(json);
	return 0;
}

int probe_leave_in_flight(const struct probe *probe) {
	AUTO_MESSAGE sd_bus_message *call = NULL;
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_BUS sd_bus *bus = NULL;
	uint64_t cookie; // asked for, or the call would say that it wants no reply
	int r;

	r = sd_bus_open_system(&bus);
	if (r < 0) {
		return probe_failed(r, "connect to the system bus");
	}
	r = lease_new_request(bus, &probe->wish, &call);
	if (r >= 0) {
		r = sd_bus_send(bus, call, &cookie);
	}
	if (r >= 0) {
		r = sd_bus_flush(bus);
	}
	if (r < 0) {
		return probe_failed(r, "send the request");
	}
	cJSON_AddTrueToObject(json, "sent");
	report_line(json);
	_exit(0);
}
