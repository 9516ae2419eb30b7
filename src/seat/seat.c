#include "seat/seat.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>
#include <time.h>

#include "common/cleanup.h"

#define INPUT_MAJOR 13
/* Long enough for a compositor to see both edges, short enough not to be noticed. */
#define BLINK_USEC (150 * 1000)
/* How many refusals are logged in how long. */
#define MAX_REFUSALS 20
#define REFUSALS_USEC (10 * UINT64_C(1000000))

/* sd-login(3) takes only alphanumeric ids, and a leading digit is escaped in object paths. */
static bool session_is_valid(const char *session) {
	if (!session || !isalpha((unsigned char)session[0]) || strlen(session) > 64) {
		return false;
	}
	for (const char *c = session; *c; c++) {
		if (!isalnum((unsigned char)*c)) {
			return false;
		}
	}
	return true;
}

static int copy_inputs(struct seat *seat, const char *const *inputs) {
	size_t count = 0;
	while (inputs && inputs[count]) {
		count++;
	}
	seat->inputs = calloc(count + 1, sizeof(*seat->inputs));
	if (!seat->inputs) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		seat->inputs[i] = strdup(inputs[i]);
		if (!seat->inputs[i]) {
			return -ENOMEM;
		}
	}
	return 0;
}

int seat_create(struct seat **ret, sd_event *event, const struct seat_options *options,
	const struct seat_lender *lender, void *data) {
	if (!session_is_valid(options->session) || !options->name || !options->card) {
		return -EINVAL;
	}

	struct seat *seat = calloc(1, sizeof(*seat));
	if (!seat) {
		return -ENOMEM;
	}
	seat->event = sd_event_ref(event);
	seat->lender = lender;
	seat->lender_data = data;
	seat->active = true;
	seat->devnum = options->devnum;
	LIST_INIT(&seat->clients);
	seat->session = strdup(options->session);
	seat->name = strdup(options->name);
	seat->card = strdup(options->card);
	if (!seat->session || !seat->name || !seat->card ||
		copy_inputs(seat, options->inputs) < 0) {
		seat_destroy(seat);
		return -ENOMEM;
	}
	*ret = seat;
	return 0;
}

void seat_destroy(struct seat *seat) {
	if (!seat) {
		return;
	}
	assert(LIST_EMPTY(&seat->clients) && !seat->holder);
	sd_event_source_disable_unref(seat->blink);
	sd_event_unref(seat->event);
	for (char **input = seat->inputs; input && *input; input++) {
		free(*input);
	}
	free(seat->inputs);
	free(seat->card);
	free(seat->name);
	free(seat->session);
	free(seat);
}

/* A client that asks on and on fills nobody's log. */
static bool refusal_is_news(struct seat *seat) {
	uint64_t now = 0;
	(void)sd_event_now(seat->event, CLOCK_MONOTONIC, &now);
	if (now - seat->refusals_since >= REFUSALS_USEC) {
		seat->refusals_since = now;
		seat->n_refusals = 0;
	}
	return seat->n_refusals++ < MAX_REFUSALS;
}

static void log_refusal(struct seat *seat, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void log_refusal(struct seat *seat, const char *format, ...) {
	char text[512];
	va_list args;

	if (!seat->lender->log || !refusal_is_news(seat)) {
		return;
	}
	int saved = errno;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	seat->lender->log(seat->lender_data, LOG_INFO, text);
	errno = saved;
}

bool seat_admits(struct seat *seat, int client_fd) {
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	if (!seat->lender->admits || seat->lender->admits(seat->lender_data, client_fd)) {
		return true;
	}
	(void)getsockopt(client_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	log_refusal(seat, "Turned away process %d of user %u: it is not of this command",
		(int)peer.pid, (unsigned)peer.uid);
	return false;
}

/* A client may be finished by its own pause or resume, but not its neighbour. */
static void tell_clients(struct seat *seat, bool active) {
	struct seat_client *next;
	for (struct seat_client *client = LIST_FIRST(&seat->clients); client; client = next) {
		next = LIST_NEXT(client, link);
		if (active) {
			client->impl->resume(client);
		} else {
			client->impl->pause(client);
		}
	}
}

void seat_pause(struct seat *seat) {
	seat->blink = sd_event_source_disable_unref(seat->blink);
	if (seat->active) {
		seat->active = false;
		tell_clients(seat, false);
	}
}

void seat_resume(struct seat *seat) {
	if (!seat->active) {
		seat->active = true;
		tell_clients(seat, true);
	}
}

static int handle_blink(sd_event_source *source, uint64_t usec, void *data) {
	struct seat *seat = data;
	seat->blink = sd_event_source_disable_unref(seat->blink);
	seat_resume(seat);
	return 0;
}

int seat_blink(struct seat *seat) {
	sd_event_source *timer = NULL;
	if (!seat->active && !seat->blink) {
		return 0; // paused for longer, and to be looked at after that
	}
	int r = sd_event_add_time_relative(
		seat->event, &timer, CLOCK_MONOTONIC, BLINK_USEC, 0, handle_blink, seat);
	if (r < 0) {
		return r;
	}
	seat_pause(seat);
	seat->blink = timer;
	return 0;
}

void seat_client_init(struct seat_client *client, struct seat *seat,
	const struct seat_client_impl *impl, int fd) {
	client->seat = seat;
	client->impl = impl;
	client->fd = fd;
	LIST_INSERT_HEAD(&seat->clients, client, link);
}

void seat_client_finish(struct seat_client *client) {
	seat_close_card(client);
	LIST_REMOVE(client, link);
}

bool seat_client_has_card(const struct seat_client *client) {
	return client->seat->holder == client;
}

void seat_close_card(struct seat_client *client) {
	struct seat *seat = client->seat;
	if (seat->holder == client) {
		seat->holder = NULL;
		seat->lender->drop_lease(seat->lender_data);
	}
}

static int open_card(struct seat_client *client) {
	struct seat *seat = client->seat;
	if (seat->holder) {
		return -EBUSY;
	}
	int fd = seat->lender->take_lease(seat->lender_data, client->fd);
	if (fd >= 0) {
		seat->holder = client;
	}
	return fd;
}

static bool input_is_allowed(const struct seat *seat, const char *path) {
	for (char **input = seat->inputs; *input; input++) {
		if (fnmatch(*input, path, FNM_PATHNAME | FNM_PERIOD) == 0) {
			return true;
		}
	}
	return false;
}

/* A glob allows names, so neither '..' nor a symlink may lead such a name elsewhere. */
static int open_input(struct seat *seat, const char *path) {
	if (strstr(path, "/..") || !input_is_allowed(seat, path)) {
		log_refusal(seat, "Refused input device '%s': it is not allowed", path);
		return -EACCES;
	}

	AUTO_CLOSE int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = -errno;
		log_refusal(seat, "Cannot open allowed input device '%s': %m", path);
		return r;
	}
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != INPUT_MAJOR) {
		log_refusal(seat, "Refused '%s': it is not an input device", path);
		return -EACCES;
	}
	return TAKE_FD(fd);
}

int seat_open_path(struct seat_client *client, const char *path) {
	struct seat *seat = client->seat;
	if (strcmp(path, seat->card) == 0) {
		return open_card(client);
	}
	if (strncmp(path, "/dev/input/", strlen("/dev/input/")) == 0) {
		return open_input(seat, path);
	}
	log_refusal(seat, "Refused device '%s': this seat has only '%s'", path, seat->card);
	return -ENOENT;
}

/* /dev/char is seldom there in a container; the kernel's own word is. */
static int input_path(unsigned minor_number, char *path, size_t size) {
	char uevent[64];
	snprintf(uevent, sizeof(uevent), "/sys/dev/char/%d:%u/uevent", INPUT_MAJOR, minor_number);
	AUTO_FCLOSE FILE *f = fopen(uevent, "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "DEVNAME=", strlen("DEVNAME=")) == 0) {
			snprintf(path, size, "/dev/%s", line + strlen("DEVNAME="));
			return 0;
		}
	}
	return -ENOENT;
}

int seat_open_devnum(struct seat_client *client, unsigned major_number, unsigned minor_number) {
	struct seat *seat = client->seat;
	char path[160];

	if (major_number == major(seat->devnum) && minor_number == minor(seat->devnum)) {
		return open_card(client);
	}
	if (major_number == INPUT_MAJOR && input_path(minor_number, path, sizeof(path)) == 0) {
		return open_input(seat, path);
	}
	log_refusal(seat, "Refused device %u:%u: this seat has only '%s'", major_number,
		minor_number, seat->card);
	return -ENOENT;
}
