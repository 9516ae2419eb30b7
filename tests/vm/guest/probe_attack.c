/* What a hostile container sends to the guest socket, again and again until it is told to stop. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "probe.h"
#include "scanout/dbus_names.h"

#define SOCKET "/run/scanoutd/guest/bus"
#define MAX_FDS 253 // the kernel's, in one message

static int connect_raw(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Past the handshake; a client may be hung up on at any time. */
static int connect_client(void) {
	static const char hello[] = "\0AUTH ANONYMOUS 61\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
	char answer[512] = "";
	size_t n = 0;
	int fd = connect_raw();
	if (fd < 0 || send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) < 0) {
		close(fd);
		return -1;
	}
	while (n + 1 < sizeof(answer) && !strstr(answer, "AGREE_UNIX_FD\r\n")) {
		ssize_t size = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
		if (size <= 0) {
			close(fd);
			return -1;
		}
		n += (size_t)size;
	}
	return fd;
}

static int send_with(int to, const void *data, size_t size, int fd, size_t n_fds) {
	static char control[CMSG_SPACE(MAX_FDS * sizeof(int))];
	struct iovec part = {(void *)data, size};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
	struct cmsghdr *header = (struct cmsghdr *)control;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	for (size_t i = 0; i < n_fds; i++) {
		memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
	}
	return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* A method call without a path: sd-bus loses the fds that come with it. */
static const char bad[] = "l\1\0\1\0\0\0\0\7\0\0\0\x0c\0\0\0\3\1s\0\3\0\0\0Foo\0\0\0\0\0";
/* The beginning of one with 200,000 bytes. */
static const char unfinished[] = "l\1\0\1\x40\x0d\3\0\7\0\0\0\x80\0\0\0";
#define LENGTH(text) (sizeof(text) - 1)

static void attack_leak(void) {
	int fd = connect_client();
	while (fd >= 0 && send_with(fd, bad, LENGTH(bad), STDIN_FILENO, MAX_FDS) == 0) {
		usleep(10000);
	}
	close(fd);
}

static void attack_hold(void) {
	int fd = connect_client();
	if (fd >= 0 && send(fd, unfinished, LENGTH(unfinished), MSG_NOSIGNAL) > 0) {
		while (send_with(fd, "", 1, STDIN_FILENO, MAX_FDS) == 0) {
			usleep(10000);
		}
	}
	close(fd);
}

/* A file whose last close waits for an hour. */
static int make_slow(int *ret_reader) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct linger linger = {1, 3600};
	socklen_t size = sizeof(address);
	static char text[65536];
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
		connect(fd, (struct sockaddr *)&address, size) < 0) {
		return -1;
	}
	*ret_reader = accept(listener, NULL, NULL);
	close(listener);
	while (send(fd, text, sizeof(text), MSG_DONTWAIT) > 0) {
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	return fd;
}

/* One in a message, and one in a connection that is gone before anybody looks. */
static void attack_slow(void) {
	int reader = -1, slow = make_slow(&reader);
	int fd = connect_client();
	if (fd >= 0 && slow >= 0) {
		(void)send_with(fd, bad, LENGTH(bad), slow, 1);
	}
	int early = connect_raw();
	if (early >= 0 && slow >= 0) {
		(void)send_with(early, "", 1, slow, 1);
	}
	close(early);
	close(slow);
	usleep(20000);
	close(fd);
	usleep(20000);
	close(reader);
}

/* Calls whose answers nobody reads: each names a property of 100 KB that there is not. */
static void attack_memory(void) {
	static char name[100001];
	memset(name, 'Z', sizeof(name) - 1);
	sd_bus *buses[32] = {NULL};
	for (size_t i = 0; i < 32; i++) {
		AUTO_MESSAGE sd_bus_message *m = NULL;
		if (sd_bus_new(&buses[i]) < 0 ||
			sd_bus_set_address(buses[i], "unix:path=" SOCKET) < 0 ||
			sd_bus_start(buses[i]) < 0) {
			continue;
		}
		for (int k = 0; k < 400; k++) {
			m = sd_bus_message_unref(m);
			if (sd_bus_message_new_method_call(buses[i], &m, NULL, SCANOUT_BUS_PATH,
				    "org.freedesktop.DBus.Properties", "Get") < 0 ||
				sd_bus_message_append(m, "ss", SCANOUT_MANAGER_INTERFACE, name) <
					0 ||
				sd_bus_send(buses[i], m, NULL) < 0 || sd_bus_flush(buses[i]) < 0) {
				break;
			}
		}
	}
	for (size_t i = 0; i < 32; i++) {
		sd_bus_close_unref(buses[i]);
	}
}

static void connect_often(unsigned n) {
	for (unsigned i = 0; i < n; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
		(void)!connect(fd, (struct sockaddr *)&address, sizeof(address));
		close(fd);
	}
}

static void attack_accept(void) {
	connect_often(1000);
	usleep(200000);
}

/* As fast as it can. */
static void attack_flood(void) {
	connect_often(1000);
}

/* Its lease goes where nobody can close it, and then it ends. */
static void attack_ghost(void) {
	AUTO_BUS_ERROR sd_bus_error error = SD_BUS_ERROR_NULL;
	const struct lease_wish wish = {.label = "ghost"};
	struct lease lease = {.fd = -1};
	sd_bus *bus = NULL;
	if (sd_bus_new(&bus) >= 0 && sd_bus_set_address(bus, "unix:path=" SOCKET) >= 0 &&
		sd_bus_negotiate_fds(bus, 1) >= 0 && sd_bus_start(bus) >= 0 &&
		lease_request(bus, &wish, &error, &lease) >= 0) {
		int fd = connect_client();
		(void)send_with(fd, bad, LENGTH(bad), lease.fd, 1);
		int half = connect_client();
		(void)!send(half, unfinished, LENGTH(unfinished), MSG_NOSIGNAL);
		(void)send_with(half, "", 1, lease.fd, 1);
	}
	sd_bus_unref(bus);
}

static const struct {
	const char *name;
	void (*run)(void);
} attacks[] = {{"leak", attack_leak}, {"hold", attack_hold}, {"slow", attack_slow},
	{"memory", attack_memory}, {"accept", attack_accept}, {"flood", attack_flood},
	{"ghost", attack_ghost}};

/* --name says which; N is how often. Tells when it begins. */
int probe_attack(const struct probe *probe) {
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (probe->name && strcmp(attacks[i].name, probe->name) == 0) {
			for (uint64_t n = 0; n < probe->number; n++) {
				if (n == 0) {
					puts("true");
					fflush(stdout);
				}
				attacks[i].run();
			}
			return 0;
		}
	}
	return probe_failed(-EINVAL, "find such an attack");
}
