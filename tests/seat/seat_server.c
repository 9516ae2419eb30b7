/*
 * A seat to test against: every protocol of src/seat at once, over leases that are only fakes.
 *
 *	seat_server FOLDER [--old|--either] [--lease=PATH] [--input=GLOB] [--run=FOLDER]
 *		[--upstream=ADDRESS]
 *
 * Listens on FOLDER/bus and FOLDER/seatd. Standard input is a packet socket: it takes one command
 * per packet (pause, resume, blink, refuse, weston, round, quit), says "ok" when that is done, and
 *tells "ready", "take N", "drop", "log TEXT" and "problem TEXT" by itself. 'weston' is also
 *answered with "weston" and the client's end of the socket pair.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>

#include "common/cleanup.h"
#include "common/socket.h"
#include "seat/login1.h"
#include "seat/login_files.h"
#include "seat/seatd.h"
#include "seat/weston_launch.h"

#define CONTROL_FD 0

struct seat_server {
	sd_event *event;
	struct seat *seat;
	struct login1 *login1;
	struct seatd *seatd;
	struct weston_launch *weston;
	struct login_files files;
	const char *lease_path; // NULL for a memfd
	unsigned n_taken;
	int refuse; // errno to answer with instead of a lease
};

static void tell(const char *text, int fd) {
	struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
	socket_send(CONTROL_FD, &part, 1, fd);
}

static int take_lease(void *data, int client_fd) {
	struct seat_server *server = data;
	char text[32];

	if (server->refuse) {
		return -server->refuse;
	}
	snprintf(text, sizeof(text), "take %u", ++server->n_taken);
	AUTO_CLOSE int fd = server->lease_path ? open(server->lease_path, O_RDWR | O_CLOEXEC)
					       : memfd_create("lease", MFD_CLOEXEC);
	assert(fd >= 0);
	if (!server->lease_path) {
		assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	}
	tell(text, -1);
	return TAKE_FD(fd);
}

static void drop_lease(void *data) {
	tell("drop", -1);
}

static void log_line(void *data, int priority, const char *text) {
	char line[600];
	assert(priority >= LOG_EMERG && priority <= LOG_DEBUG);
	snprintf(line, sizeof(line), "log %s", text);
	tell(line, -1);
}

static const struct seat_lender lender = {
	.take_lease = take_lease,
	.drop_lease = drop_lease,
	.log = log_line,
};

static void command(struct seat_server *server, const char *word) {
	if (strcmp(word, "pause") == 0) {
		seat_pause(server->seat);
	} else if (strcmp(word, "resume") == 0) {
		seat_resume(server->seat);
	} else if (strcmp(word, "blink") == 0) {
		assert(seat_blink(server->seat) >= 0);
	} else if (strcmp(word, "refuse") == 0) {
		server->refuse = ETIMEDOUT;
	} else if (strcmp(word, "weston") == 0) {
		int fd = -1;
		weston_launch_destroy(server->weston);
		assert(weston_launch_create(&server->weston, server->event, server->seat, &fd) >=
			0);
		tell("weston", fd);
		close(fd);
	} else if (strcmp(word, "quit") == 0) {
		assert(sd_event_exit(server->event, 0) >= 0);
	} else {
		assert(strcmp(word, "round") == 0); // nothing but its answer
	}
}

static int handle_control(sd_event_source *source, int fd, uint32_t revents, void *data) {
	char word[32] = "";
	ssize_t size = recv(fd, word, sizeof(word) - 1, 0);
	command(data, size > 0 ? word : "quit");
	tell("ok", -1);
	return 0;
}

static void write_files(struct seat_server *server, const char *run, const struct seat *seat) {
	char line[600];
	struct login_files_options options = {
		.run = run,
		.session = seat->session,
		.seat = seat->name,
		.user = "somebody",
		.uid = geteuid(),
		.devnum = seat->devnum,
	};
	if (login_files_write(&server->files, &options,
		    LOGIN_FILES_SESSION | LOGIN_FILES_UDEV | LOGIN_FILES_USER) < 0) {
		snprintf(line, sizeof(line), "problem %s", server->files.problem);
		tell(line, -1);
	}
}

int main(int argc, char *argv[]) {
	struct seat_server server = {0};
	const char *inputs[] = {NULL, NULL};
	const char *run = NULL, *upstream = NULL;
	enum seatd_dialect dialect = SEATD_DIALECT_0_9;
	char path[256];

	assert(argc >= 2);
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--old") == 0) {
			dialect = SEATD_DIALECT_0_7;
		} else if (strcmp(argv[i], "--either") == 0) {
			dialect = SEATD_DIALECT_UNKNOWN;
		} else if (strncmp(argv[i], "--upstream=", 11) == 0) {
			upstream = argv[i] + 11;
		} else if (strncmp(argv[i], "--lease=", 8) == 0) {
			server.lease_path = argv[i] + 8;
		} else if (strncmp(argv[i], "--input=", 8) == 0) {
			inputs[0] = argv[i] + 8;
		} else if (strncmp(argv[i], "--run=", 6) == 0) {
			run = argv[i] + 6;
		}
	}

	/* The fake card has a number that stat() confirms, as libseat and logind clients look. */
	struct stat st;
	assert(stat("/dev/null", &st) == 0);
	struct seat_options options = {
		.session = "scanout3",
		.name = "seat0",
		.card = "/dev/null",
		.devnum = st.st_rdev,
		.inputs = inputs,
	};
	assert(sd_event_new(&server.event) >= 0);
	assert(seat_create(&server.seat, server.event, &options, &lender, &server) >= 0);
	assert(login1_create(&server.login1, server.event, server.seat) >= 0);
	assert(seatd_create(&server.seatd, server.event, server.seat, dialect) >= 0);
	server.login1->bus->upstream = upstream;
	snprintf(path, sizeof(path), "%s/bus", argv[1]);
	assert(bus_listen(server.login1->bus, socket_listen(path, 0666)) >= 0);
	snprintf(path, sizeof(path), "%s/seatd", argv[1]);
	assert(seatd_listen(server.seatd, socket_listen(path, 0666)) >= 0);
	assert(sd_event_add_io(server.event, NULL, CONTROL_FD, EPOLLIN, handle_control, &server) >=
		0);
	if (run) {
		write_files(&server, run, server.seat);
	}
	tell("ready", -1);

	assert(sd_event_loop(server.event) >= 0);
	weston_launch_destroy(server.weston);
	seatd_destroy(server.seatd);
	login1_destroy(server.login1);
	seat_destroy(server.seat);
	sd_event_unref(server.event);
	login_files_remove(&server.files);
	return 0;
}
