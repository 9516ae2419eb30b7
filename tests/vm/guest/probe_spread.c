/* Leases whose copies are spread: over processes, in a socket that nobody reads, in a mapping. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "probe.h"
#include "report.h"
#include "scanout/dbus_names.h"

static int send_fd(int socket, int fd) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	char byte = 0;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* Takes whatever fd comes, and keeps it. */
static int receive_fd(int socket) {
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};

	return recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message) != NULL
		       ? 0
		       : -EBADMSG;
}

static void stay(void) {
	for (;;) {
		pause();
	}
}

static int report_holders(
	const struct probe_output *output, const pid_t *pids, size_t n, const char *name) {
	AUTO_JSON cJSON *json = probe_describe(output);
	cJSON *list = cJSON_AddArrayToObject(json, name);

	for (size_t i = 0; i < n; i++) {
		cJSON_AddItemToArray(list, cJSON_CreateNumber(pids[i]));
	}
	report_line(json);
	return 0;
}

/* A child that has our end of a socket, and never reads or has taken what came, as `reads` says. */
static pid_t start_receiver(int sockets[2], bool reads) {
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		return -errno;
	}
	pid_t child = fork();
	if (child != 0) {
		close(sockets[1]);
		return child < 0 ? -errno : child;
	}
	close(sockets[0]);
	if (reads && (receive_fd(sockets[1]) < 0 || write(sockets[1], "", 1) != 1)) {
		_exit(1);
	}
	stay();
	_exit(0);
}

int probe_spread(const struct probe *probe) {
	struct probe_output output;
	int sockets[2], copy, r;
	char byte;

	pid_t receiver = start_receiver(sockets, true);
	if (receiver < 0) {
		return probe_failed((int)receiver, "start the receiver");
	}
	r = probe_open(probe, &output);
	if (r >= 0) {
		r = probe_show(probe, &output);
	}
	if (r < 0) {
		return r;
	}
	copy = fcntl(output.lease.fd, F_DUPFD_CLOEXEC, 3);
	r = copy < 0 ? -errno : send_fd(sockets[0], copy);
	if (r < 0 || read(sockets[0], &byte, 1) != 1) {
		return probe_failed(r < 0 ? r : -EPIPE, "send the lease");
	}
	close(output.lease.fd); // the copy is as good
	pid_t child = fork();
	if (child < 0) {
		return probe_failed(-errno, "fork");
	}
	if (child > 0) {
		const pid_t pids[] = {getpid(), receiver, child};
		report_holders(&output, pids, 3, "holders");
	}
	stay();
	return 0;
}

int probe_send_away(const struct probe *probe) {
	struct probe_output output;
	int sockets[2], r;

	pid_t receiver = start_receiver(sockets, false);
	if (receiver < 0) {
		return probe_failed((int)receiver, "start the receiver");
	}
	r = probe_open(probe, &output);
	if (r >= 0) {
		r = probe_show(probe, &output);
	}
	if (r >= 0) {
		r = send_fd(sockets[0], output.lease.fd);
	}
	if (r < 0) {
		return probe_failed(r, "send the lease");
	}
	/* Not probe_close(): the picture is to stay. */
	close(output.lease.fd);
	return report_holders(&output, &receiver, 1, "receiver");
}

int probe_map(const struct probe *probe) {
	AUTO_JSON cJSON *json = NULL;
	struct probe_output output;
	char byte;
	int r;

	r = probe_open(probe, &output);
	if (r >= 0) {
		r = probe_show(probe, &output);
	}
	if (r < 0) {
		return r;
	}
	close(output.lease.fd);
	json = probe_describe(&output);
	cJSON_AddTrueToObject(json, "mapped");
	report_line(json);
	for (size_t i = 0; i < 2; i++) {
		struct kms_buffer *buffer = &output.kms.buffers[i];

		if (read(STDIN_FILENO, &byte, 1) != 1 || munmap(buffer->pixels, buffer->size) < 0) {
			return probe_failed(-errno, "unmap a buffer");
		}
		report_line(json);
	}
	stay();
	return 0;
}

int probe_ask_unread(sd_bus *bus, const struct lease_wish *wish) {
	AUTO_MESSAGE sd_bus_message *call = NULL;
	struct pollfd fd = {.fd = sd_bus_get_fd(bus), .events = POLLIN};
	uint64_t cookie; // asked for, or the call would say that it wants no reply
	int r;

	/* What the bus says to a new client comes before this answer: the next is the reply. */
	r = sd_bus_call_method(bus, SCANOUT_BUS_NAME, SCANOUT_BUS_PATH, "org.freedesktop.DBus.Peer",
		"Ping", NULL, NULL, NULL);
	if (r >= 0) {
		r = lease_new_request(bus, wish, &call);
	}
	if (r >= 0) {
		r = sd_bus_send(bus, call, &cookie);
	}
	if (r >= 0) {
		r = sd_bus_flush(bus);
	}
	if (r < 0) {
		return r;
	}
	return poll(&fd, 1, -1) == 1 ? 0 : -errno;
}

int probe_leave_unread(const struct probe *probe) {
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_BUS sd_bus *bus = NULL;
	int r;

	r = sd_bus_open_system(&bus);
	if (r >= 0) {
		r = probe_ask_unread(bus, &probe->wish);
	}
	if (r < 0) {
		return probe_failed(r, "ask");
	}
	cJSON_AddTrueToObject(json, "unread");
	report_line(json);
	stay();
	return 0;
}
