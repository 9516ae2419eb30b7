#include "door/door.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/socket.h"
#include "common/undertaker.h"

#define MAX_INSTANCES 128
/* A user of the VM can make containers without end, or processes with uids of the own range. */
#define MAX_INSTANCES_PER_USER 16
/* Room for some 40 connections that the instance has not taken yet. */
#define QUEUE_BYTES 16384
/* Words taken from an instance in a turn. */
#define MAX_WORDS 512

static int handle_idle_timer(sd_event_source *source, uint64_t usec, void *data) {
	const struct door *door = data;
	return sd_event_exit(door->event, 0);
}

/* Runs out while there is no instance. */
static void set_timer(struct door *door) {
	door->timer = sd_event_source_disable_unref(door->timer);
	if (door->n == 0 && door->options.idle_usec > 0) {
		(void)sd_event_add_time_relative(door->event, &door->timer, CLOCK_MONOTONIC,
			door->options.idle_usec, 0, handle_idle_timer, door);
	}
}

static void instance_destroy(struct instance *instance) {
	struct door *door = instance->door;
	LIST_REMOVE(instance, link);
	door->n--;
	set_timer(door);
	int fd = sd_event_source_get_io_fd(instance->source);
	sd_event_source_disable_unref(instance->source);
	undertaker_close(door->undertaker, fd);
	free(instance);
}

/* It has ended, or it is idle: then it ends once it sees that nothing more can come. */
static int handle_word(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct instance *instance = data;
	uint32_t n_received = 0;
	ssize_t size, n_words = 0;
	/* The latest counts. */
	while ((size = recv(fd, &n_received, sizeof(n_received), MSG_DONTWAIT)) ==
			sizeof(n_received) &&
		n_words < MAX_WORDS) {
		n_words++;
	}
	if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (n_words == 0) {
			return 0;
		}
		size = sizeof(n_received);
	}
	if (size != sizeof(n_received) || n_received == instance->n_sent) {
		instance_destroy(instance);
	}
	return 0;
}

/* In the child. A new image, since sd-event and sd-bus do not survive a fork. */
static void run_instance(const struct instance *instance, int fd, pid_t parent) {
	int number = STDERR_FILENO + 1;
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent &&
		(fd == number ? fcntl(fd, F_SETFD, 0) : dup2(fd, number)) >= 0) {
		instance->door->options.become(
			instance->door->options.data, &instance->container, number);
	}
	_exit(EXIT_FAILURE);
}

static int instance_start(struct instance *instance) {
	int ends[2], size = QUEUE_BYTES;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		return -errno;
	}
	AUTO_CLOSE int ours = ends[0];
	AUTO_CLOSE int theirs = ends[1];
	(void)setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	int r = sd_event_add_io(
		instance->door->event, &instance->source, ours, EPOLLIN, handle_word, instance);
	if (r < 0) {
		return r;
	}
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		run_instance(instance, theirs, parent);
	}
	if (pid < 0) {
		return -errno;
	}
	(void)TAKE_FD(ours);
	return 0;
}

/* So that nobody uses up the places of all. What systemd started itself is the admin's. */
static bool has_place(const struct door *door, const char *user) {
	const struct instance *instance;
	unsigned n = 0;
	LIST_FOREACH (instance, &door->instances, link) {
		n += user[0] != '\0' && strcmp(instance->container.user, user) == 0;
	}
	return door->n < MAX_INSTANCES && n < MAX_INSTANCES_PER_USER;
}

static int instance_create(
	struct door *door, const struct container *container, uid_t uid, struct instance **ret) {
	struct instance *instance =
		has_place(door, container->user) ? calloc(1, sizeof(*instance)) : NULL;
	if (!instance) {
		return -EUSERS;
	}
	instance->door = door;
	instance->container = *container;
	instance->uid = uid;
	int r = instance_start(instance);
	if (r < 0) {
		sd_event_source_disable_unref(instance->source);
		free(instance);
		return r;
	}
	LIST_INSERT_HEAD(&door->instances, instance, link);
	door->n++;
	set_timer(door);
	*ret = instance;
	return 0;
}

/* One container is one instance, whatever its users are; outside containers a user is. */
static struct instance *find(
	const struct door *door, const struct container *container, uid_t uid) {
	struct instance *instance;
	LIST_FOREACH (instance, &door->instances, link) {
		if (strcmp(instance->container.id, container->id) == 0 &&
			strcmp(instance->container.engine, container->engine) == 0 &&
			(container->id[0] != '\0' || instance->uid == uid)) {
			return instance;
		}
	}
	return NULL;
}

/* -EPIPE: it is dead, and gone. */
static int instance_pass(struct instance *instance, int client, int pidfd) {
	const int fds[] = {client, pidfd};
	int r = socket_pass(sd_event_source_get_io_fd(instance->source), fds, 2);
	if (r >= 0) {
		instance->n_sent++;
	} else if (r == -EPIPE || r == -ECONNRESET) { // the latter with connections not taken
		instance_destroy(instance);
		return -EPIPE;
	}
	return r == -EAGAIN ? -EUSERS : r; // it has enough to do
}

static int hand_over(struct door *door, int client) {
	const struct caller *caller;
	int r = callers_identify(&door->callers, client, &caller);
	if (r < 0) {
		return r;
	}
	struct instance *instance = find(door, &caller->container, caller->peer.uid);
	r = instance ? instance_pass(instance, client, caller->pidfd) : -EPIPE;
	if (r == -EPIPE &&
		(r = instance_create(door, &caller->container, caller->peer.uid, &instance)) >= 0) {
		r = instance_pass(instance, client, caller->pidfd);
	}
	return r;
}

static int handle_connection(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct door *door = data;
	for (int i = 0; i < SOCKET_MAX_ACCEPTED; i++) {
		int client = socket_accept(fd);
		if (client < 0) {
			break;
		}
		int r = hand_over(door, client);
		if (r >= 0) {
			undertaker_close(door->undertaker, client);
			continue;
		}
		undertaker_hang_up(door->undertaker, client);
		/* One that is gone has nobody to miss it. */
		if (r != -ESRCH) {
			say_seldom(&door->refused, "Refused a client: %s", strerror(-r));
		}
	}
	return 0;
}

int door_new_event(sd_event **ret) {
	static const int signals[] = {SIGTERM, SIGINT};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return -errno;
	}
	int r = sd_event_new(ret);
	for (size_t i = 0; r >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		r = sd_event_add_signal(*ret, NULL, signals[i], NULL, NULL);
	}
	return r < 0 ? r : sd_event_set_watchdog(*ret, 1);
}

int door_open(struct door *door, sd_event *event, const struct door_options *options) {
	*door = (struct door){.options = *options, .event = event};
	callers_init(&door->callers);
	/* Nobody waits for them: what ends them, and that they ended, their sockets tell. */
	(void)signal(SIGCHLD, SIG_IGN);
	set_timer(door);
	return undertaker_new(&door->undertaker);
}

int door_serve(struct door *door, int fd) {
	if (door->n_listeners == DOOR_MAX_SOCKETS) {
		return -ENOBUFS;
	}
	int r = socket_serve(
		door->event, &door->listeners[door->n_listeners], fd, handle_connection, door);
	door->n_listeners += r >= 0;
	return r;
}

int door_serve_passed(struct door *door) {
	int n = sd_listen_fds(1), r = 0;
	for (int i = 0; i < n && r >= 0; i++) {
		r = door_serve(door, SD_LISTEN_FDS_START + i);
	}
	return r < 0 ? r : n;
}

void door_close(struct door *door) {
	while (!LIST_EMPTY(&door->instances)) {
		instance_destroy(LIST_FIRST(&door->instances));
	}
	for (unsigned i = 0; i < door->n_listeners; i++) {
		sd_event_source_disable_unref(door->listeners[i]);
	}
	sd_event_source_disable_unref(door->timer);
	callers_finish(&door->callers);
	undertaker_destroy(door->undertaker);
}
