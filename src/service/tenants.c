#include "tenants.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/socket.h"

#define MAX_TENANTS 128
/* As scanoutd takes labels. */
#define LABEL_LENGTH 12
#define LABEL_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

static int handle_idle_timer(sd_event_source *source, uint64_t usec, void *data) {
	const struct tenants *tenants = data;
	return sd_event_exit(tenants->event, 0);
}

/* Runs out while there is no tenant. */
static void set_timer(struct tenants *tenants) {
	tenants->timer = sd_event_source_disable_unref(tenants->timer);
	if (tenants->n == 0) {
		(void)sd_event_add_time_relative(tenants->event, &tenants->timer, CLOCK_MONOTONIC,
			tenants->options->idle_usec, 0, handle_idle_timer, tenants);
	}
}

static void tenant_destroy(struct tenant *tenant) {
	struct tenants *tenants = tenant->tenants;
	LIST_REMOVE(tenant, link);
	tenants->n--;
	set_timer(tenants);
	sd_event_source_disable_unref(tenant->source);
	free(tenant);
}

/* It has ended, or it is idle: then it ends once it sees that nothing more can come. */
static int handle_word(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct tenant *tenant = data;
	uint32_t n_received;
	ssize_t size = recv(fd, &n_received, sizeof(n_received), MSG_DONTWAIT);
	if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (size != sizeof(n_received) || n_received == tenant->n_sent) {
		tenant_destroy(tenant);
	}
	return 0;
}

/* In the child. A new image, since sd-event and sd-bus do not survive a fork. */
static void run_tenant(const struct tenant *tenant, int fd, pid_t parent) {
	const struct service_options *options = tenant->tenants->options;
	char number[16], idle[24], label[LABEL_LENGTH + 1];
	snprintf(number, sizeof(number), "--tenant=%d", STDERR_FILENO + 1);
	snprintf(idle, sizeof(idle), "--idle=%u", (unsigned)(options->idle_usec / 1000));
	snprintf(label, sizeof(label), "%.*s", LABEL_LENGTH, tenant->container.id);
	if (label[strspn(label, LABEL_CHARACTERS)] != '\0') {
		label[0] = '\0';
	}
	const char *const argv[] = {"scanout-seat", "--seats", options->seats, "--label", label,
		idle, number, options->id, NULL};
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent &&
		(fd == STDERR_FILENO + 1 ? fcntl(fd, F_SETFD, 0) : dup2(fd, STDERR_FILENO + 1)) >=
			0) {
		execv("/proc/self/exe", (char *const *)argv);
	}
	_exit(EXIT_FAILURE);
}

static int tenant_start(struct tenant *tenant) {
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		return -errno;
	}
	AUTO_CLOSE int ours = ends[0];
	AUTO_CLOSE int theirs = ends[1];
	int r = sd_event_add_io(
		tenant->tenants->event, &tenant->source, ours, EPOLLIN, handle_word, tenant);
	if (r < 0 || (r = sd_event_source_set_io_fd_own(tenant->source, 1)) < 0) {
		return r;
	}
	(void)TAKE_FD(ours);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		run_tenant(tenant, theirs, parent);
	}
	return pid < 0 ? -errno : 0;
}

static int tenant_create(struct tenants *tenants, const struct container *container, uid_t uid,
	struct tenant **ret) {
	struct tenant *tenant = tenants->n < MAX_TENANTS ? calloc(1, sizeof(*tenant)) : NULL;
	if (!tenant) {
		return -ENOBUFS;
	}
	tenant->tenants = tenants;
	tenant->container = *container;
	tenant->uid = uid;
	int r = tenant_start(tenant);
	if (r < 0) {
		sd_event_source_disable_unref(tenant->source);
		free(tenant);
		return r;
	}
	LIST_INSERT_HEAD(&tenants->list, tenant, link);
	tenants->n++;
	set_timer(tenants);
	*ret = tenant;
	return 0;
}

/* One container is one tenant, whatever its users are; outside containers a user is. */
static struct tenant *find(
	const struct tenants *tenants, const struct container *container, uid_t uid) {
	struct tenant *tenant;
	LIST_FOREACH (tenant, &tenants->list, link) {
		if (strcmp(tenant->container.id, container->id) == 0 &&
			strcmp(tenant->container.engine, container->engine) == 0 &&
			(container->id[0] != '\0' || tenant->uid == uid)) {
			return tenant;
		}
	}
	return NULL;
}

/* -EPIPE: it is dead, and gone. */
static int tenant_pass(struct tenant *tenant, int client) {
	int r = socket_pass(sd_event_source_get_io_fd(tenant->source), client);
	if (r >= 0) {
		tenant->n_sent++;
	} else if (r == -EPIPE) {
		tenant_destroy(tenant);
	}
	return r;
}

static int hand_over(struct tenants *tenants, int client) {
	struct container container;
	struct ucred peer;
	int r = container_of_peer(client, &peer, &container);
	if (r < 0) {
		return r;
	}
	struct tenant *tenant = find(tenants, &container, peer.uid);
	r = tenant ? tenant_pass(tenant, client) : -EPIPE;
	if (r == -EPIPE && (r = tenant_create(tenants, &container, peer.uid, &tenant)) >= 0) {
		r = tenant_pass(tenant, client);
	}
	return r;
}

static int handle_connection(sd_event_source *source, int fd, uint32_t revents, void *data) {
	AUTO_CLOSE int client = socket_accept(fd);
	int r = client < 0 ? client : hand_over(data, client);
	if (r < 0 && r != -EAGAIN) {
		say("A client is turned away: %s", strerror(-r));
	}
	return 0;
}

int tenants_open(struct tenants *tenants, sd_event *event, const struct service_options *options) {
	*tenants = (struct tenants){.options = options, .event = event};
	int n = sd_listen_fds(1);
	if (n <= 0) {
		say("No socket was passed; start scanout-seat-any@CARD.socket instead");
		return n < 0 ? n : -ENOTCONN;
	}
	/* Nobody waits for them: what ends them, and that they ended, their sockets tell. */
	(void)signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < n && i < TENANTS_MAX_SOCKETS; i++) {
		int r = socket_serve(event, &tenants->listeners[i], SD_LISTEN_FDS_START + i,
			handle_connection, tenants);
		if (r < 0) {
			return r;
		}
		tenants->n_listeners++;
	}
	set_timer(tenants);
	return 0;
}

void tenants_close(struct tenants *tenants) {
	while (!LIST_EMPTY(&tenants->list)) {
		tenant_destroy(LIST_FIRST(&tenants->list));
	}
	for (unsigned i = 0; i < tenants->n_listeners; i++) {
		sd_event_source_disable_unref(tenants->listeners[i]);
	}
	sd_event_source_disable_unref(tenants->timer);
}
