#include "daemon/core/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/state_json.h"
#include "daemon/util/log.h"

/* 64 cards with 32 leases of 600 bytes are about 1 MiB; more is not ours. */
#define MAX_FILE_SIZE (4 * 1024 * 1024)

static int read_file(const char *path, char **ret) {
	struct stat st;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE_SIZE) {
		return -EFBIG;
	}
	AUTO_FREE char *text = calloc(1, (size_t)st.st_size + 1);
	if (!text) {
		return -ENOMEM;
	}
	if (read(fd, text, (size_t)st.st_size) != st.st_size) {
		return -EIO;
	}
	*ret = TAKE_PTR(text);
	return 0;
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
		r = state_parse(&state->table, text);
	}
	if (r < 0 && r != -ENOENT) {
		log_warning("%s: Cannot be used: %s. Leases of an earlier daemon go on without the "
			    "names of their holders",
			state->path, strerror(-r));
	}
}

void state_finish(struct state *state) {
	for (size_t i = 0; i < state->table.n_cards; i++) {
		for (size_t k = 0; k < state->table.cards[i].n_leases; k++) {
			state_lease_finish(&state->table.cards[i].leases[k]);
		}
	}
	free(state->path);
	free(state->table.cards);
	*state = (struct state){0};
}

static struct state_card *find_card(struct state *state, const char *store_name) {
	for (size_t i = 0; i < state->table.n_cards; i++) {
		if (strcmp(state->table.cards[i].store_name, store_name) == 0) {
			return &state->table.cards[i];
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
	size_t length = strlen(text);
	ssize_t n = write(fd, text, length);
	if (n != (ssize_t)length) {
		int r = n < 0 ? -errno : -ENOSPC;
		unlink(draft);
		return r;
	}
	/* Not fsync: /run is memory, and after a power cut there is no lease to name. */
	return rename(draft, path) < 0 ? -errno : 0;
}

void state_save(
	struct state *state, const struct card_list *cards, const struct lease_table *leases) {
	if (!state->path) {
		return;
	}
	AUTO_JSON_TEXT char *text = state_print(cards, leases);
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

static struct state_lease *find_lease(struct state *state, const char *name) {
	char wanted[64];
	for (size_t i = 0; i < state->table.n_cards; i++) {
		for (size_t k = 0; k < state->table.cards[i].n_leases; k++) {
			struct state_lease *lease = &state->table.cards[i].leases[k];
			fdstore_lease_name(lease->generation, wanted, sizeof(wanted));
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
