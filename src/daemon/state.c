#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "lease.h"
#include "log.h"
#include "manager.h"
#include "state_json.h"

/* 64 cards with 32 leases of 600 bytes are about 1 MiB; more is not ours. */
#define MAX_FILE_SIZE (4 * 1024 * 1024)

static int read_text(int fd, char **ret) {
	struct stat st;
	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE_SIZE) {
		return -EFBIG;
	}
	AUTO_FREE char *text = calloc(1, (size_t)st.st_size + 1);
	if (!text) {
		return -ENOMEM;
	}
	if (pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
		return -EIO;
	}
	*ret = TAKE_PTR(text);
	return 0;
}

static int read_file(const char *path, char **ret) {
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : read_text(fd, ret);
}

void state_init(struct state *state, const char *directory) {
	*state = (struct state){0};
	if (!directory) {
		return;
	}
	if (asprintf(&state->path, "%s/leases.json", directory) < 0) {
		state->path = NULL;
		return;
	}
	AUTO_FREE char *text = NULL;
	int r = read_file(state->path, &text);
	if (r >= 0) {
		r = state_parse(state, text);
	}
	if (r < 0 && r != -ENOENT) {
		log_warning("%s: Cannot be used: %s. Leases of an earlier daemon go on without the "
			    "names of their holders",
			state->path, strerror(-r));
	}
}

void state_finish(struct state *state) {
	for (size_t i = 0; i < state->n_cards; i++) {
		for (size_t k = 0; k < state->cards[i].n_leases; k++) {
			state_lease_finish(&state->cards[i].leases[k]);
		}
	}
	free(state->path);
	free(state->cards);
	*state = (struct state){0};
}

void state_lease_finish(struct state_lease *lease) {
	cleanup_close(&lease->copy_fd);
	cleanup_close(&lease->asker_fd);
	lease->copy_fd = lease->asker_fd = -1;
}

static struct state_card *find_card(struct state *state, const char *store_name) {
	for (size_t i = 0; i < state->n_cards; i++) {
		if (strcmp(state->cards[i].store_name, store_name) == 0) {
			return &state->cards[i];
		}
	}
	return NULL;
}

size_t state_take(
	struct state *state, const char *store_name, struct state_lease ret[CARD_MAX_OBJECTS]) {
	struct state_card *card = find_card(state, store_name);
	size_t n = card ? card->n_leases : 0;
	if (card) {
		memcpy(ret, card->leases, n * sizeof(*ret));
		card->n_leases = 0;
	}
	return n;
}

void state_give_back(
	struct state *state, const char *store_name, struct state_lease *leases, size_t n) {
	struct state_card *card = find_card(state, store_name);
	for (size_t i = 0; i < n; i++) {
		if (card && leases[i].generation > 0 && card->n_leases < CARD_MAX_OBJECTS) {
			card->leases[card->n_leases++] = leases[i];
		} else {
			state_lease_finish(&leases[i]);
		}
	}
}

static int write_text(int fd, const char *text) {
	size_t length = strlen(text);
	ssize_t n = write(fd, text, length);
	return n < 0 ? -errno : (size_t)n == length ? 0 : -ENOSPC;
}

static int write_file(const char *path, const char *text) {
	AUTO_FREE char *draft = NULL;
	if (asprintf(&draft, "%s.new", path) < 0) {
		draft = NULL;
		return -ENOMEM;
	}
	AUTO_CLOSE int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		return -errno;
	}
	int r = write_text(fd, text);
	if (r < 0) {
		unlink(draft);
		return r;
	}
	/* Not fsync: /run is memory, and after a power cut there is no lease to name. */
	return rename(draft, path) < 0 ? -errno : 0;
}

void state_save(struct state *state, const struct manager *manager) {
	if (!state->path) {
		return;
	}
	AUTO_JSON_TEXT char *text = state_print(manager);
	int r = text ? write_file(state->path, text) : -ENOMEM;
	if (r < 0) {
		/* An older table is worse than none: the kernel uses the number of a lessee again,
		 * and the next daemon would take its holder for another. In a full /run this also
		 * makes the room. */
		unlink(state->path);
		r = text ? write_file(state->path, text) : r;
	}
	if (r < 0) {
		log_error("%s: Cannot be written: %s. After a restart the leases would go on "
			  "without the names of their holders",
			state->path, strerror(-r));
	}
}

int state_export(const struct manager *manager) {
	AUTO_JSON_TEXT char *text = state_print(manager);
	AUTO_CLOSE int fd = memfd_create("leases.json", MFD_CLOEXEC);
	if (!text) {
		return -ENOMEM;
	}
	if (fd < 0) {
		return -errno;
	}
	int r = write_text(fd, text);
	return r < 0 ? r : TAKE_FD(fd);
}

int state_import(struct state *state, int fd) {
	AUTO_FREE char *text = NULL;
	struct state_card *before = state->cards;
	int r = read_text(fd, &text);
	if (r >= 0) {
		r = state_parse(state, text);
	}
	if (r >= 0) {
		free(before);
	}
	return r;
}

/* A stable name for people, the card's place on its bus, without what FDNAME= does not allow. */
static void read_bus_path(const struct card *card, char *ret, size_t size) {
	char link[64];
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device", card->major, card->minor);
	AUTO_FREE char *path = realpath(link, NULL);
	const char *start =
		path && strncmp(path, "/sys/devices/", 13) == 0 ? path + 13 : card->name;
	snprintf(ret, size, "%s", start);
	for (char *p = ret; *p; p++) {
		*p = *p == ':' || *p == '/' || *p < ' ' || *p > '~' ? '_' : *p;
	}
}

void state_name_card(struct card *card) {
	uint64_t epoch = 0;
	char path[128];
	/* The number tells this open file from an earlier one of the same card, whose lessees had
	 * the same small ids. */
	if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch)) {
		log_error("%s: Cannot be kept for another daemon: %m", card->device);
		return;
	}
	read_bus_path(card, path, sizeof(path));
	snprintf(card->store_name, sizeof(card->store_name), STATE_FD_PREFIX "%016" PRIx64 ".%s",
		epoch, path);
}

void state_keep_card(const struct card *card) {
	char message[CARD_STORE_NAME_MAX + 32];
	snprintf(message, sizeof(message), "FDSTORE=1\nFDNAME=%s", card->store_name);
	int r = sd_pid_notify_with_fds(0, false, message, &card->fd, 1);
	if (r < 0) {
		log_warning("%s: systemd does not keep the card: %s. A restart will end its leases",
			card->device, strerror(-r));
	}
}

void state_print_lease_name(uint64_t generation, char *ret, size_t size) {
	snprintf(ret, size, STATE_LEASE_PREFIX "%" PRIu64, generation);
}

void state_keep_lease(uint64_t generation, int copy_fd, int asker_fd) {
	char name[64], message[128];
	int fds[] = {copy_fd, asker_fd};
	state_print_lease_name(generation, name, sizeof(name));
	/* FDPOLL=0: systemd would drop a pidfd whose process is gone, just when it is needed. */
	snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	int r = sd_pid_notify_with_fds(0, false, message, fds, 2);
	if (r < 0) {
		log_warning("%s: systemd does not keep it: %s. After a restart its last picture "
			    "will not linger",
			name, strerror(-r));
	}
}

void state_forget_lease(uint64_t generation) {
	char name[64];
	state_print_lease_name(generation, name, sizeof(name));
	sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

static struct state_lease *find_lease(struct state *state, const char *name) {
	char wanted[64];
	for (size_t i = 0; i < state->n_cards; i++) {
		for (size_t k = 0; k < state->cards[i].n_leases; k++) {
			struct state_lease *lease = &state->cards[i].leases[k];
			state_print_lease_name(lease->generation, wanted, sizeof(wanted));
			if (strcmp(wanted, name) == 0) {
				return lease;
			}
		}
	}
	return NULL;
}

void state_give(struct state *state, const char *name, int fd) {
	struct state_lease *lease = find_lease(state, name);
	struct stat st;
	AUTO_CLOSE int owned = fd;
	if (!lease || fstat(fd, &st) < 0) {
		/* Its lease has lost its name with the file: to keep it would hide its end. */
		sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
		return;
	}
	int *place = S_ISCHR(st.st_mode) ? &lease->copy_fd : &lease->asker_fd;
	cleanup_close(place);
	*place = TAKE_FD(owned);
}

void state_forget_card(const char *store_name) {
	if (store_name[0] != '\0') {
		sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", store_name);
	}
}
