#include "handover.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-login.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/socket.h"
#include "guest.h"
#include "linger.h"
#include "log.h"
#include "manager.h"
#include "monitor.h"
#include "parcel.h"
#include "passed.h"
#include "worker.h"

/* A blanking under way takes milliseconds, and is overdue after 2 s. */
#define QUIET_USEC 5000000
/* What the other has to prepare the cards: 5 s for each look at one, and a bus that is slow. */
#define ADOPT_USEC 30000000

struct handover {
	struct handover_parts parts;
	void (*replaced)(void *data);
	void *data;
	struct identity self;
	char *path;
	sd_event_source *listener;

	/* The one that asked; NULL and -1 without one. */
	sd_event_source *source; // of its connection
	sd_event_source *quiet;  // looks for the moment in which no card works
	sd_event_source *timer;
	int pidfd;
	pid_t pid;
	bool offered; // it has the files: only its end gives them back
};

/* A service manager would take the end of its main process for the end of the service. */
static bool is_service(void) {
	const char *pid = getenv("SYSTEMD_EXEC_PID"); // since systemd 248
	return pid ? strtol(pid, NULL, 10) == getpid() : getenv("NOTIFY_SOCKET") != NULL;
}

static void __attribute__((format(printf, 2, 3))) refuse(int fd, const char *format, ...) {
	char reason[320], text[400];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	log_warning("Not replaced: %s", reason);
	snprintf(text, sizeof(text), HANDOVER_REFUSED "\nThe running scanoutd goes on: %s", reason);
	parcel_send(fd, text, NULL, 0); // who does not read it sees the end of the connection
}

static void forget_caller(struct handover *handover) {
	handover->timer = sd_event_source_disable_unref(handover->timer);
	handover->quiet = sd_event_source_disable_unref(handover->quiet);
	handover->source = sd_event_source_disable_unref(handover->source); // closes the socket
	close(handover->pidfd);
	handover->pidfd = -1;
	handover->offered = false;
}

/* Stops what could begin or end a lease, or goes on with it. The kernel's events and the guests
 * that connect wait in their sockets meanwhile. */
static void rest(struct handover *handover, bool resting) {
	const struct handover_parts *parts = &handover->parts;
	parts->manager->resting = resting;
	monitor_pause(parts->monitor, resting);
	guest_pause(parts->guest, resting);
}

static void go_on(struct handover *handover) {
	struct manager *manager = handover->parts.manager;
	struct card *card;
	struct scanout *scanout;
	log_warning("The scanoutd that was to replace this one (pid %d) ended before it had taken "
		    "over. This one goes on",
		(int)handover->pid);
	forget_caller(handover);
	rest(handover, false);
	TAILQ_FOREACH (card, &manager->cards, link) {
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			linger_advance(scanout);
		}
	}
	manager_serve_queue(manager);
}

static int handle_late(sd_event_source *source, uint64_t usec, void *data) {
	struct handover *handover = data;
	log_warning("The scanoutd that is to replace this one (pid %d) does not get ready: killing "
		    "it",
		(int)handover->pid);
	/* Its connection tells when the last of its threads is gone. */
	pidfd_send_signal(handover->pidfd, SIGKILL, NULL, 0);
	return 0;
}

static int set_timer(struct handover *handover, uint64_t usec, sd_event_time_handler_t handle) {
	handover->timer = sd_event_source_disable_unref(handover->timer);
	return sd_event_add_time_relative(handover->parts.event, &handover->timer, CLOCK_MONOTONIC,
		usec, 1000, handle, handover);
}

static int collect(struct handover *handover, struct passed *ret) {
	const struct manager *manager = handover->parts.manager;
	const struct card *card;
	const struct scanout *scanout;
	AUTO_CLOSE int table = state_export(manager);
	int r = table < 0 ? table : passed_add(ret, HANDOVER_TABLE, table);
	if (r >= 0) {
		r = passed_add(
			ret, HANDOVER_CONTROL, sd_event_source_get_io_fd(handover->listener));
	}
	if (r >= 0) {
		r = guest_append(handover->parts.guest, ret);
	}
	TAILQ_FOREACH (card, &manager->cards, link) {
		if (r >= 0) {
			/* Without a name its leases would be nobody's. */
			r = card->store_name[0] != '\0'
				    ? passed_add(ret, card->store_name, card->fd)
				    : -ENODATA;
		}
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			r = r < 0 ? r : linger_append(scanout, ret);
		}
	}
	return r < 0 ? r : 0;
}

static int send_offer(int fd, const struct passed *passed) {
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	if (!stream) {
		return -ENOMEM;
	}
	fputs(HANDOVER_OFFER, stream);
	for (size_t i = 0; i < passed->n; i++) {
		fprintf(stream, "\n%s", passed->names[i]);
	}
	return fclose(stream) == 0 ? parcel_send(fd, text, passed->fds, passed->n) : -ENOMEM;
}

static void offer(struct handover *handover) {
	struct passed passed = {0};
	int fd = sd_event_source_get_io_fd(handover->source);
	int r = set_timer(handover, ADOPT_USEC, handle_late);
	if (r >= 0) {
		r = collect(handover, &passed);
	}
	if (r >= 0) {
		r = send_offer(fd, &passed);
	}
	passed_finish(&passed);
	if (r < 0) {
		refuse(fd, "The cards cannot be passed on: %s. Try again", strerror(-r));
		forget_caller(handover);
		return;
	}
	log_info("Handing over to scanoutd (pid %d)", (int)handover->pid);
	handover->quiet = sd_event_source_disable_unref(handover->quiet);
	handover->offered = true;
	rest(handover, true);
}

/* A picture that lingers may stand; a look at one that is to do so may not be under way. */
static bool is_working(const struct scanout *scanout) {
	return !linger_is_on(scanout) &&
	       (scanout->state == SCANOUT_DRAINING || scanout->state == SCANOUT_STUCK ||
		       scanout->picture != PICTURE_THEIRS);
}

/* Whether a card works on something that must not go on beside another daemon. */
static const char *find_work(const struct manager *manager, bool *ret_stuck) {
	const struct card *card;
	const struct scanout *scanout;
	*ret_stuck = false;
	TAILQ_FOREACH (card, &manager->cards, link) {
		if (!card->ready) {
			return card->device;
		}
		TAILQ_FOREACH (scanout, &card->scanouts, link) {
			if (is_working(scanout)) {
				*ret_stuck = scanout->state == SCANOUT_STUCK;
				return scanout->id;
			}
		}
		if (!worker_is_idle(card->worker)) {
			return card->device;
		}
	}
	return NULL;
}

static int offer_if_quiet(sd_event_source *source, void *data) {
	struct handover *handover = data;
	bool stuck;
	const char *busy = find_work(handover->parts.manager, &stuck);
	if (!busy) {
		offer(handover);
	} else if (stuck) {
		refuse(sd_event_source_get_io_fd(handover->source),
			"%s is stuck. Try again when it is free; 'scanoutctl list' shows it", busy);
		forget_caller(handover);
	}
	return 0;
}

static int handle_busy(sd_event_source *source, uint64_t usec, void *data) {
	struct handover *handover = data;
	bool stuck;
	const char *busy = find_work(handover->parts.manager, &stuck);
	refuse(sd_event_source_get_io_fd(handover->source),
		"%s has work to do that does not end. Try again in a moment",
		busy ? busy : "A card");
	forget_caller(handover);
	return 0;
}

static int handle_word(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct handover *handover = data;
	int fds[PARCEL_MAX_FDS];
	AUTO_FREE char *text = malloc(PARCEL_MAX_TEXT);
	int n = text ? parcel_receive(fd, text, fds) : -ENOMEM;
	for (int i = 0; i < n; i++) {
		close(fds[i]); // none is expected
	}
	if (handover->offered && n == 0 && strcmp(text, HANDOVER_DONE) == 0) {
		log_info("Replaced by scanoutd (pid %d)", (int)handover->pid);
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		handover->replaced(handover->data);
	} else if (handover->offered && n == -EPIPE) {
		go_on(handover);
	} else if (handover->offered && n != -EAGAIN) {
		handle_late(NULL, 0, handover);
	} else if (n != -EAGAIN) {
		forget_caller(handover);
	}
	return 0;
}

static int identify_self(struct identity *ret) {
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		return -errno;
	}
	int r = identity_of_socket(ends[0], ret);
	close(ends[0]);
	close(ends[1]);
	return r;
}

/* Who runs as this daemon does: root, and root of a container only if we are in it ourselves. */
static int check_caller(const struct handover *handover, int fd, struct identity *ret) {
	int r = identity_of_socket(fd, ret);
	if (r < 0) {
		return r;
	}
	return identity_same_holder(&handover->self, ret) ? 0 : -EPERM;
}

static int begin(struct handover *handover, int *fd, pid_t pid) {
	AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		return -errno;
	}
	int r = sd_event_add_io(
		handover->parts.event, &handover->source, *fd, EPOLLIN, handle_word, handover);
	if (r < 0 || (r = sd_event_source_set_io_fd_own(handover->source, 1)) < 0) {
		handover->source = sd_event_source_disable_unref(handover->source);
		return r;
	}
	*fd = -1;
	handover->pidfd = TAKE_FD(pidfd);
	handover->pid = pid;
	r = sd_event_add_post(handover->parts.event, &handover->quiet, offer_if_quiet, handover);
	if (r >= 0) {
		r = set_timer(handover, QUIET_USEC, handle_busy);
	}
	if (r < 0) {
		forget_caller(handover);
		return r;
	}
	return offer_if_quiet(handover->quiet, handover);
}

static int handle_connection(sd_event_source *source, int listener, uint32_t events, void *data) {
	struct handover *handover = data;
	struct identity who;
	AUTO_CLOSE int fd = socket_accept(listener);
	int r = fd < 0 ? fd : check_caller(handover, fd, &who);
	if (r < 0) {
		if (r != -EAGAIN) {
			log_warning("Somebody who may not replace this scanoutd is turned away: %s",
				strerror(-r));
		}
		return 0;
	}
	if (handover->source) {
		refuse(fd, "Process %d is replacing it already. Wait for that one",
			(int)handover->pid);
	} else if (is_service()) {
		AUTO_FREE char *unit = NULL;
		sd_pid_get_unit(0, &unit);
		refuse(fd, "It is a service, which has its own way: 'systemctl restart %s'",
			unit ? unit : "scanoutd");
	} else if (handover->parts.manager->seat) {
		refuse(fd, "Its cards belong to the seat manager, which takes them back. Stop it "
			   "first, which ends its leases; with Seat=none that is not so");
	} else if ((r = begin(handover, &fd, who.pid)) < 0) {
		log_warning("Cannot hand over: %s", strerror(-r));
	}
	return 0;
}

static int listen_at(struct handover *handover, const char *directory) {
	mode_t mask = umask(0022);
	int r = mkdir(directory, 0755) < 0 && errno != EEXIST ? -errno : 0;
	umask(mask);
	return r < 0 ? r : socket_listen_as(handover->path, SOCK_SEQPACKET, 0600);
}

int handover_listen(const struct handover_parts *parts, struct passed *passed,
	const char *directory, void (*replaced)(void *data), void *data, struct handover **ret) {
	const char *name;
	struct handover *handover = calloc(1, sizeof(*handover));
	if (!handover) {
		return -ENOMEM;
	}
	*handover =
		(struct handover){.parts = *parts, .replaced = replaced, .data = data, .pidfd = -1};
	AUTO_CLOSE int fd = passed_take(passed, HANDOVER_CONTROL, &name);
	int r = identify_self(&handover->self);
	if (r >= 0 && asprintf(&handover->path, "%s/" HANDOVER_SOCKET, directory) < 0) {
		handover->path = NULL;
		r = -ENOMEM;
	}
	if (r >= 0 && fd < 0) {
		r = fd = listen_at(handover, directory);
	}
	if (r >= 0) {
		r = socket_serve(
			parts->event, &handover->listener, fd, handle_connection, handover);
	}
	if (r < 0) {
		log_warning("%s/" HANDOVER_SOCKET ": Cannot listen: %s. 'scanoutd --replace' will "
			    "not find this daemon",
			directory, strerror(-r));
		handover_destroy(handover);
		return r;
	}
	fd = -1; // the event source's
	*ret = handover;
	return 0;
}

void handover_destroy(struct handover *handover) {
	if (!handover) {
		return;
	}
	if (handover->offered) {
		guest_leave(handover->parts.guest); // the sockets are the other's
	} else if (handover->listener) {
		unlink(handover->path);
	}
	if (handover->source) {
		forget_caller(handover);
	}
	sd_event_source_disable_unref(handover->listener);
	free(handover->path);
	free(handover);
}
