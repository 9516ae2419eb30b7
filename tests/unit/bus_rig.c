#include "bus_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/socket.h"

#define FIRST_CARDS "4"

struct bus_rig *bus_rig_new(void) {
	struct bus_rig *rig = calloc(1, sizeof(*rig));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	rig->directory = make_directory();
	assert_int_equal(chmod(rig->directory, 0711), 0); // other users connect, too
	assert_true(asprintf(&rig->config, "%s/scanoutd.conf", rig->directory) > 0);
	assert_true(asprintf(&rig->log, "%s/log", rig->directory) > 0);
	assert_true(asprintf(&rig->address, "unix:path=%s/bus", rig->directory) > 0);
	bus_rig_write_config(rig, "[Card]\nSeat=none\n");

	rig->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", rig->directory);
	assert_int_equal(bind(rig->notify_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return rig;
}

void bus_rig_write_config(struct bus_rig *rig, const char *text) {
	free(write_text(rig->directory, "scanoutd.conf", text));
}

/* A child that does not outlive the test. Returns 0 in the child. */
static pid_t fork_child(void) {
	pid_t parent = getpid(), pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) {
			_exit(1);
		}
	}
	return pid;
}

void bus_rig_start_bus(struct bus_rig *rig, bool may_own) {
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *path = NULL;
	int ends[2];
	char address[256], argument[32];

	assert_true(asprintf(&text,
			    "<!DOCTYPE busconfig PUBLIC "
			    "\"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
			    "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
			    "<busconfig><listen>%s</listen><auth>EXTERNAL</auth>\n"
			    "<policy context=\"default\"><allow user=\"*\"/>"
			    "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
			    "<%s own=\"*\"/></policy></busconfig>\n",
			    rig->address, may_own ? "allow" : "deny") > 0);
	path = write_text(rig->directory, "bus.conf", text);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	rig->bus = fork_child();
	if (rig->bus == 0) {
		AUTO_FREE char *config = NULL;
		int fd = dup(ends[1]), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, STDERR_FILENO);
		snprintf(argument, sizeof(argument), "--print-address=%d", fd);
		if (asprintf(&config, "--config-file=%s", path) > 0) {
			execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nosyslog", config,
				argument, NULL);
		}
		_exit(127);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], address, sizeof(address)); // printed when it listens
	close(ends[0]);
	assert_true(n > 0);
}

void bus_rig_kill_bus(struct bus_rig *rig) {
	assert_int_equal(kill(rig->bus, SIGKILL), 0);
	wait_for_exit(rig->bus);
	rig->bus = 0;
}

/* As systemd does: the sockets for guests and for agents, which listen before the daemon runs. */
static void pass_sockets(struct bus_rig *rig) {
	static const char *const names[] = {"guest", "agent"};
	char path[128], pid[16];
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", rig->directory, names[i]);
		int fd = socket_listen(path);
		if (fd < 0 || (fd = fcntl(fd, F_DUPFD_CLOEXEC, 10)) < 0 || dup2(fd, 3 + i) < 0) {
			_exit(127);
		}
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, true);
	setenv("LISTEN_FDS", "2", true);
	setenv("LISTEN_FDNAMES", "guest:agent", true);
}

pid_t bus_rig_spawn(struct bus_rig *rig, const char *cards, const char *argument) {
	const char *binary = getenv("SCANOUTD_FAKE_BIN");
	if (!binary) {
		binary = "build/san/scanoutd-fake";
	}
	pid_t pid = fork_child();
	if (pid == 0) {
		char notify[128];
		int fd = open(rig->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		snprintf(notify, sizeof(notify), "%s/notify", rig->directory);
		setenv("DBUS_SYSTEM_BUS_ADDRESS", rig->address, true);
		unsetenv("SYSTEMD_EXEC_PID");
		unsetenv("NOTIFY_SOCKET");
		setenv("RUNTIME_DIRECTORY", rig->directory, true);
		setenv("SCANOUTD_FAKE", cards, true);
		unsetenv("JOURNAL_STREAM");
		unsetenv("WATCHDOG_USEC");
		close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); // what the test has is not the daemon's
		const char *shared = getenv("SCANOUTD_STARVE");
		if (shared) {
			fcntl(atoi(shared), F_SETFD, 0);
		}
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		if (!rig->by_hand) {
			setenv("NOTIFY_SOCKET", notify, true);
			pass_sockets(rig);
		}
		execl(binary, "scanoutd", "--debug", "--config", rig->config, argument, NULL);
		_exit(127);
	}
	return pid;
}

void bus_rig_wait_notified(struct bus_rig *rig, const char *line) {
	char text[512];
	struct pollfd p = {.fd = rig->notify_fd, .events = POLLIN};
	for (;;) {
		if (poll(&p, 1, (int)(PATIENCE_USEC / 1000)) != 1) {
			assert_logged(rig, "\n\n"); // shows the log
		}
		ssize_t n = recv(rig->notify_fd, text, sizeof(text) - 1, 0);
		assert_true(n > 0);
		text[n] = '\0';
		if (strncmp(text, line, strlen(line)) == 0) {
			return;
		}
	}
}

void bus_rig_start_daemon(struct bus_rig *rig, const char *cards) {
	rig->daemon = bus_rig_spawn(rig, cards, NULL);
	bus_rig_wait_notified(rig, "READY=1");
}

static void assert_ended_well(struct bus_rig *rig, int status) {
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		print_error("the daemon's wait status is 0x%x\n", (unsigned)status);
		assert_logged(rig, "\n\n");
	}
}

void bus_rig_stop_daemon(struct bus_rig *rig) {
	pid_t pid = rig->daemon;
	rig->daemon = 0;
	kill(pid, SIGTERM);
	assert_ended_well(rig, wait_for_exit(pid));
}

int bus_rig_run(struct bus_rig *rig, const char *cards, const char *argument) {
	unlink(rig->log);
	int status = wait_for_exit(bus_rig_spawn(rig, cards, argument));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool has_logged(struct bus_rig *rig, const char *text, char *log, size_t size) {
	AUTO_FCLOSE FILE *file = fopen(rig->log, "re");
	size_t n = file ? fread(log, 1, size - 1, file) : 0;
	log[n] = '\0';
	return strstr(log, text);
}

void assert_logged(struct bus_rig *rig, const char *text) {
	char log[16384];
	if (!has_logged(rig, text, log, sizeof(log))) {
		fail_msg("The daemon did not write '%s' but:\n%s", text, log);
	}
}

void bus_rig_wait_logged(struct bus_rig *rig, const char *text) {
	char log[16384];
	uint64_t end = now_usec() + PATIENCE_USEC;
	while (!has_logged(rig, text, log, sizeof(log))) {
		if (now_usec() > end) {
			assert_logged(rig, text);
		}
		poll(NULL, 0, 2);
	}
}

void bus_rig_destroy(struct bus_rig *rig) {
	sd_bus_flush_close_unref(rig->client);
	if (rig->daemon) {
		bus_rig_stop_daemon(rig);
	}
	if (rig->bus) {
		bus_rig_kill_bus(rig);
	}
	close(rig->notify_fd);
	remove_directory(rig->directory);
	free(rig->config);
	free(rig->log);
	free(rig->address);
	free(rig);
}

int bus_rig_setup(void **state) {
	struct bus_rig *rig = bus_rig_new();
	bus_rig_start_bus(rig, true);
	bus_rig_start_daemon(rig, FIRST_CARDS);
	rig->client = bus_rig_connect(rig);
	*state = rig;
	return 0;
}

int bus_rig_teardown(void **state) {
	bus_rig_destroy(*state);
	return 0;
}

sd_bus *bus_rig_connect(struct bus_rig *rig) {
	sd_bus *bus = NULL;
	assert_int_equal(sd_bus_new(&bus), 0);
	assert_true(sd_bus_set_address(bus, rig->address) >= 0);
	assert_true(sd_bus_set_bus_client(bus, true) >= 0);
	assert_true(sd_bus_negotiate_fds(bus, true) >= 0);
	assert_true(sd_bus_start(bus) >= 0);
	return bus;
}

void bus_rig_open_to_guests(struct bus_rig *rig) {
	AUTO_FREE char *config = NULL;
	assert_true(asprintf(&config, "[Card]\nSeat=none\n[Guest]\nSocket=%s/guests/bus\n",
			    rig->directory) > 0);
	bus_rig_write_config(rig, config);
}

int bus_rig_guest_socket(struct bus_rig *rig) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/guests/bus", rig->directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

sd_bus *bus_rig_connect_peer(struct bus_rig *rig, const char *name) {
	sd_bus *bus = NULL;
	char address[256];
	snprintf(address, sizeof(address), "unix:path=%s/%s", rig->directory, name);
	assert_int_equal(sd_bus_new(&bus), 0);
	assert_true(sd_bus_set_address(bus, address) >= 0);
	assert_true(sd_bus_negotiate_fds(bus, true) >= 0);
	assert_true(sd_bus_start(bus) >= 0);
	return bus;
}

sd_bus *bus_rig_guest(struct bus_rig *rig) {
	return bus_rig_connect_peer(rig, "guests/bus");
}
