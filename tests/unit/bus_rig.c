#include "bus_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/socket.h"
#include "fault.h"

#define FIRST_CARDS "4"

/* All that the daemon wrote since the log was begun. */
static char *read_log(struct bus_rig *rig) {
	AUTO_FCLOSE FILE *file = fopen(rig->log, "re");
	char *log = NULL;
	size_t size = 0;
	if (!file || getdelim(&log, &size, '\0', file) < 0) {
		free(log);
		log = strdup("");
	}
	return log;
}

static bool has_logged(struct bus_rig *rig, const char *text) {
	AUTO_FREE char *log = read_log(rig);
	return strstr(log, text);
}

/* Not by cmocka, which cuts off what is long. */
static void show_log(void *data) {
	AUTO_FREE char *log = read_log(data);
	fprintf(stderr, "The daemon wrote:\n%s\n", log);
}

struct bus_rig *bus_rig_new(void) {
	struct bus_rig *rig = calloc(1, sizeof(*rig));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	rig->directory = make_directory();
	assert_int_equal(chmod(rig->directory, 0711), 0); // other users connect, too
	assert_true(asprintf(&rig->config, "%s/scanoutd.conf", rig->directory) > 0);
	assert_true(asprintf(&rig->log, "%s/log", rig->directory) > 0);
	assert_true(asprintf(&rig->address, "unix:path=%s/bus", rig->directory) > 0);
	bus_rig_write_config(rig, "[Card]\nSeat=none\n");
	rig->clock = "stopped";

	rig->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", rig->directory);
	assert_int_equal(bind(rig->notify_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	patience_explain(show_log, rig);
	return rig;
}

void bus_rig_write_config(struct bus_rig *rig, const char *text) {
	free(write_text(rig->directory, "scanoutd.conf", text));
}

pid_t bus_rig_fork(void) {
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
			    "<limit name=\"auth_timeout\">86400000</limit>\n"
			    "<policy context=\"default\"><allow user=\"*\"/>"
			    "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
			    "<%s own=\"*\"/></policy></busconfig>\n",
			    rig->address, may_own ? "allow" : "deny") > 0);
	path = write_text(rig->directory, "bus.conf", text);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	rig->bus = bus_rig_fork();
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

static int listen_as(const struct bus_rig *rig, const char *name) {
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", rig->directory, name);
	int fd = socket_listen(path, 0666);
	assert_true(fd >= 0);
	return fd;
}

/* As systemd does, in the child: a socket that listens before the program runs. */
static void pass_socket(int fd, const char *name) {
	char pid[16];
	if ((fd = fcntl(fd, F_DUPFD_CLOEXEC, 10)) < 0 || dup2(fd, 3) < 0) {
		_exit(127);
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, true);
	setenv("LISTEN_FDS", "1", true);
	setenv("LISTEN_FDNAMES", name, true);
}

static void write_to_log(const struct bus_rig *rig) {
	int fd = open(rig->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
}

void bus_rig_start_front(struct bus_rig *rig) {
	const char *binary = getenv("SCANOUT_FRONT"), *shared = getenv(FAULT_VARIABLE);
	AUTO_CLOSE int listener = listen_as(rig, "guest");
	sigset_t set, before;
	/* A test may end it before it has come so far as to wait for that. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	rig->front = bus_rig_fork();
	if (rig->front == 0) {
		char address[128];
		snprintf(address, sizeof(address), "unix:path=%s/agent", rig->directory);
		setenv("SCANOUT_ADDRESS", address, true);
		unsetenv("NOTIFY_SOCKET");
		unsetenv("WATCHDOG_USEC");
		close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
		if (shared) {
			fcntl(atoi(shared), F_SETFD, 0);
		}
		write_to_log(rig);
		pass_socket(listener, "guest");
		execl(binary ? binary : "build/san/scanout-front", "scanout-front", NULL);
		_exit(127);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

pid_t bus_rig_spawn(struct bus_rig *rig, const char *cards, const char *argument) {
	const char *binary = getenv("SCANOUTD_FAKE_BIN");
	if (!binary) {
		binary = "build/san/scanoutd-fake";
	}
	AUTO_CLOSE int listener = listen_as(rig, "agent");
	pid_t pid = bus_rig_fork();
	if (pid == 0) {
		char notify[128];
		snprintf(notify, sizeof(notify), "%s/notify", rig->directory);
		setenv("DBUS_SYSTEM_BUS_ADDRESS", rig->address, true);
		unsetenv("SYSTEMD_EXEC_PID");
		unsetenv("NOTIFY_SOCKET");
		setenv("RUNTIME_DIRECTORY", rig->directory, true);
		setenv("SCANOUTD_FAKE", cards, true);
		setenv("SCANOUTD_FAKE_CLOCK", rig->clock, true);
		unsetenv("JOURNAL_STREAM");
		unsetenv("WATCHDOG_USEC");
		close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); // what the test has is not the daemon's
		const char *shared = getenv("SCANOUTD_STARVE");
		if (shared) {
			fcntl(atoi(shared), F_SETFD, 0);
		}
		write_to_log(rig);
		if (!rig->by_hand) {
			setenv("NOTIFY_SOCKET", notify, true);
			pass_socket(listener, "agent");
		}
		execl(binary, "scanoutd", "--debug", "--config", rig->config, argument, NULL);
		_exit(127);
	}
	return pid;
}

/* Waits for a message, or for the end of the daemon, which says no more. */
static void receive_notice(struct bus_rig *rig, char *text, size_t size) {
	AUTO_CLOSE int pidfd = pidfd_open(rig->daemon, 0);
	struct pollfd fds[] = {{rig->notify_fd, POLLIN, 0}, {pidfd, POLLIN, 0}};
	assert_true(poll(fds, 2, -1) > 0);
	ssize_t n = recv(rig->notify_fd, text, size - 1, MSG_DONTWAIT);
	if (n <= 0) {
		show_log(rig);
		fail_msg("The daemon has ended, or tells nothing");
	}
	text[n] = '\0';
}

void bus_rig_wait_notified(struct bus_rig *rig, const char *line) {
	char text[512] = "";
	patience_begin(line);
	while (strncmp(text, line, strlen(line)) != 0) {
		receive_notice(rig, text, sizeof(text));
	}
	patience_end();
}

void bus_rig_start_daemon(struct bus_rig *rig, const char *cards) {
	rig->daemon = bus_rig_spawn(rig, cards, NULL);
	bus_rig_wait_notified(rig, "READY=1");
	if (!rig->front) {
		bus_rig_start_front(rig);
	}
}

pid_t bus_rig_find_front(struct bus_rig *rig) {
	char path[64];
	int pid = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)rig->front, (int)rig->front);
	AUTO_FCLOSE FILE *children = fopen(path, "re");
	return children && fscanf(children, "%d", &pid) == 1 ? pid : 0;
}

void bus_rig_assert_exit(struct bus_rig *rig, int status, int code) {
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
		show_log(rig);
		fail_msg("The daemon's wait status is 0x%x", (unsigned)status);
	}
}

void bus_rig_stop_daemon(struct bus_rig *rig) {
	pid_t pid = rig->daemon;
	rig->daemon = 0;
	kill(pid, SIGTERM);
	bus_rig_assert_exit(rig, wait_for_exit(pid), 0);
}

void bus_rig_change_clock(struct bus_rig *rig, const char *clock) {
	bus_rig_stop_daemon(rig);
	rig->clock = clock;
	bus_rig_start_daemon(rig, FIRST_CARDS);
}

int bus_rig_run(struct bus_rig *rig, const char *cards, const char *argument) {
	unlink(rig->log);
	int status = wait_for_exit(bus_rig_spawn(rig, cards, argument));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void assert_logged(struct bus_rig *rig, const char *text) {
	if (!has_logged(rig, text)) {
		show_log(rig);
		fail_msg("The daemon did not write '%s'", text);
	}
}

void bus_rig_wait_logged(struct bus_rig *rig, const char *text) {
	uint64_t since = patience_begin(text);
	while (!has_logged(rig, text)) {
		patience_sleep(since);
	}
	patience_end();
}

void bus_rig_destroy(struct bus_rig *rig) {
	sd_bus_flush_close_unref(rig->client);
	if (rig->front) {
		kill(rig->front, SIGTERM);
		bus_rig_assert_exit(rig, wait_for_exit(rig->front), 0);
	}
	if (rig->daemon) {
		bus_rig_stop_daemon(rig);
	}
	if (rig->bus) {
		bus_rig_kill_bus(rig);
	}
	patience_explain(NULL, NULL);
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

int bus_rig_try_connect(const char *address, bool is_bus, sd_bus **ret) {
	int r = sd_bus_new(ret);
	if (r < 0 || (r = sd_bus_set_address(*ret, address)) < 0 ||
		(r = sd_bus_set_bus_client(*ret, is_bus)) < 0 ||
		(r = sd_bus_negotiate_fds(*ret, true)) < 0 ||
		(r = sd_bus_set_method_call_timeout(*ret, UINT64_MAX)) < 0) {
		return r;
	}
	return sd_bus_start(*ret);
}

sd_bus *bus_rig_connect(struct bus_rig *rig) {
	sd_bus *bus = NULL;
	assert_true(bus_rig_try_connect(rig->address, true, &bus) >= 0);
	return bus;
}

int bus_rig_guest_socket(struct bus_rig *rig) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/guest", rig->directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

sd_bus *bus_rig_connect_peer(struct bus_rig *rig, const char *name) {
	sd_bus *bus = NULL;
	char address[256];
	snprintf(address, sizeof(address), "unix:path=%s/%s", rig->directory, name);
	assert_true(bus_rig_try_connect(address, false, &bus) >= 0);
	return bus;
}

sd_bus *bus_rig_guest(struct bus_rig *rig) {
	return bus_rig_connect_peer(rig, "guest");
}
