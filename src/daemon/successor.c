#include "successor.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "handover.h"
#include "log.h"
#include "manager.h"
#include "parcel.h"
#include "passed.h"

/* More than the running daemon takes until it refuses. */
#define ANSWER_SEC 10

static int connect_to(const char *directory, int *ret) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(
		address.sun_path, sizeof(address.sun_path), "%s/" HANDOVER_SOCKET, directory);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct timeval patience = {.tv_sec = ANSWER_SEC};
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
		connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) {
		return -errno;
	}
	if (credentials.uid != geteuid()) {
		return -EPERM;
	}
	*ret = TAKE_FD(fd);
	return 0;
}

int successor_ask(struct successor *successor, const char *directory) {
	*successor = (struct successor){.socket = -1};
	int r = connect_to(directory, &successor->socket);
	if (r == -ENOENT || r == -ECONNREFUSED) { // the latter: left over by one that crashed
		return -ENOENT;
	}
	if (r < 0) {
		log_error("%s/" HANDOVER_SOCKET ": Cannot ask the running scanoutd: %s. It goes on",
			directory, strerror(-r));
	}
	return r;
}

static int read_answer(struct passed *passed, char *text, const int *fds, size_t n_fds) {
	const char *head = strsep(&text, "\n");
	if (strcmp(head, HANDOVER_REFUSED) == 0 && text && n_fds == 0) {
		log_error("%s", text);
		return -EBUSY;
	}
	if (strcmp(head, HANDOVER_OFFER) != 0) {
		log_error("The running scanoutd speaks another language ('%.20s'): this version "
			  "cannot replace that one, which goes on",
			head);
		return -EPROTO;
	}
	size_t i = 0;
	for (const char *name; (name = strsep(&text, "\n")) && i < n_fds; i++) {
		int r = passed_add(passed, name, fds[i]);
		if (r < 0) {
			log_error("Cannot take over '%s': %s. The running scanoutd goes on", name,
				strerror(-r));
			return r;
		}
	}
	return 0;
}

static int read_table(struct passed *passed, struct manager *manager) {
	const char *name;
	AUTO_CLOSE int fd = passed_take(passed, HANDOVER_TABLE, &name);
	int r = fd < 0 ? -ENODATA : state_import(&manager->state, fd);
	if (r < 0) {
		log_error("The running scanoutd's table of leases cannot be read: %s. It goes on",
			strerror(-r));
		return r;
	}
	manager->leases.last_generation = manager->state.last_generation;
	return 0;
}

int successor_receive(struct successor *successor, struct passed *passed, struct manager *manager) {
	int fds[PARCEL_MAX_FDS];
	AUTO_FREE char *text = malloc(PARCEL_MAX_TEXT);
	int n = text ? parcel_receive(successor->socket, text, fds) : -ENOMEM;
	if (n < 0) {
		log_error("The running scanoutd does not hand over: %s. Try again",
			n == -EAGAIN ? "it does not answer" : strerror(-n));
		return n;
	}
	int r = read_answer(passed, text, fds, (size_t)n);
	for (int i = 0; i < n; i++) {
		close(fds[i]);
	}
	return r < 0 ? r : read_table(passed, manager);
}

int successor_take_over(struct successor *successor, const char *directory, struct passed *passed,
	struct manager *manager) {
	int r = successor_ask(successor, directory);
	if (r == -ENOENT) {
		log_info("No scanoutd listens on %s/" HANDOVER_SOCKET
			 ": starting without replacing one",
			directory);
		return 0;
	}
	return r < 0 ? r : successor_receive(successor, passed, manager);
}

static bool has_ended(int socket) {
	struct pollfd p = {.fd = socket};
	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

int successor_confirm(struct successor *successor, const struct manager *manager) {
	const struct card *card;
	if (successor->socket < 0) {
		return 0;
	}
	TAILQ_FOREACH (card, &manager->cards, link) {
		/* If the other has died meanwhile, there is no way back. */
		if (!card->ready && !has_ended(successor->socket)) {
			log_error("%s: Cannot be taken over while a process holds a modeset lock. "
				  "The running scanoutd goes on; try again later",
				card->device);
			return -EBUSY;
		}
	}
	parcel_send(successor->socket, HANDOVER_DONE, NULL, 0);
	close(TAKE_FD(successor->socket));
	return 0;
}
