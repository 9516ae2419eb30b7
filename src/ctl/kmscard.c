#include "ctl/kmscard.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/kmsdriver.h"

#define SYSFS "/sys/class/drm"
#define DEBUGFS "/sys/kernel/debug/dri"
#define VIRTIO "/sys/bus/virtio/devices"
#define VIRTIO_GPU "0x0010"

static void cleanup_closedir(DIR **dir) {
	if (*dir) {
		closedir(*dir);
	}
}

#define AUTO_DIR CLEANUP(cleanup_closedir)

/* "card0" → 0; with an output name after it, *ret_output is set: "card0-Virtual-1". */
static bool parse_name(const char *name, unsigned int *ret_number, const char **ret_output) {
	char *end;
	if (strncmp(name, "card", 4) != 0 || !isdigit((unsigned char)name[4])) {
		return false;
	}
	*ret_number = (unsigned int)strtoul(name + 4, &end, 10);
	*ret_output = *end == '-' ? end + 1 : NULL;
	return *end == '-' || *end == '\0';
}

static bool read_line(const char *path, char *line, size_t size) {
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	if (!file || !fgets(line, (int)size, file)) {
		return false;
	}
	line[strcspn(line, "\n")] = '\0';
	return true;
}

/* Reading a connector's status returns what the kernel knows and probes nothing. */
static bool is_connected(const char *name) {
	char path[PATH_MAX];
	char status[32];
	snprintf(path, sizeof(path), SYSFS "/%s/status", name);
	return read_line(path, status, sizeof(status)) && strcmp(status, "connected") == 0;
}

static void read_card(struct kmscard *card, struct dirent *const *names, size_t n_names) {
	char node[64];
	for (size_t i = 0; i < n_names; i++) {
		unsigned int number;
		const char *output;
		if (parse_name(names[i]->d_name, &number, &output) && number == card->number &&
			output && strncmp(output, "Writeback", 9) != 0) {
			card->outputs++;
			card->connected += is_connected(names[i]->d_name);
		}
	}
	snprintf(node, sizeof(node), "card%u", card->number);
	kmsdriver_read(node, card->driver, sizeof(card->driver));
	snprintf(node, sizeof(node), "/dev/dri/card%u", card->number);
	card->has_node = access(node, F_OK) == 0;
}

int kmscard_scan(struct kmscard *cards, size_t max) {
	struct dirent **names;
	int n = scandir(SYSFS, &names, NULL, versionsort);
	if (n < 0) {
		return -errno;
	}
	size_t found = 0;
	for (int i = 0; i < n; i++) {
		unsigned int number;
		const char *output;
		if (parse_name(names[i]->d_name, &number, &output) && !output && found < max) {
			cards[found] = (struct kmscard){.number = number};
			read_card(&cards[found++], names, (size_t)n);
		}
	}
	for (int i = 0; i < n; i++) {
		free(names[i]);
	}
	free(names);
	return (int)found;
}

bool kmscard_find_undriven(char *name, size_t size) {
	char path[PATH_MAX], id[32];
	const struct dirent *entry;
	AUTO_DIR DIR *dir = opendir(VIRTIO);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), VIRTIO "/%s/device", entry->d_name);
		if (!read_line(path, id, sizeof(id)) || strcmp(id, VIRTIO_GPU) != 0) {
			continue;
		}
		snprintf(path, sizeof(path), VIRTIO "/%s/driver", entry->d_name);
		if (access(path, F_OK) < 0) {
			snprintf(name, size, "%s", entry->d_name);
			return true;
		}
	}
	return false;
}

/* Seat managers open cards for others and stay master in their name. */
static bool is_friend(const char *name) {
	static const char *const friends[] = {
		"scanoutd", "systemd-logind", "elogind-daemon", "elogind", "seatd"};
	for (size_t i = 0; i < sizeof(friends) / sizeof(friends[0]); i++) {
		if (strcmp(friends[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/*
 * A line of drm_clients_info(): "%20s %5d %3d   %c    %c …" with command, pid, minor, master,
 * authenticated. The pid is the opener's: a lease has that of scanoutd, and a card that scanoutd
 * found in its fd store that of its dead predecessor.
 */
static bool parse_client(const char *line, struct kmscard_opener *ret) {
	int pid;
	char master;
	if (strlen(line) < 21 || sscanf(line + 20, "%d %*d %c", &pid, &master) != 2 ||
		master != 'y' || pid <= 0) {
		return false;
	}
	size_t blank = strspn(line, " ");
	blank = blank < 20 ? blank : 20;
	*ret = (struct kmscard_opener){.pid = pid};
	memcpy(ret->name, line + blank, 20 - blank);
	return true;
}

int kmscard_find_foreign_master(const struct kmscard *card, struct kmscard_opener *ret) {
	char path[PATH_MAX];
	char line[256];
	snprintf(path, sizeof(path), DEBUGFS "/%u/clients", card->number);
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	if (!file) {
		return -errno;
	}
	while (fgets(line, sizeof(line), file)) {
		struct kmscard_opener client;
		if (parse_client(line, &client) && !is_friend(client.name) &&
			(kill(client.pid, 0) == 0 || errno == EPERM)) {
			*ret = client;
			return 1;
		}
	}
	return 0;
}

static bool has_open(const char *pid, const char *node) {
	char path[PATH_MAX];
	char target[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	AUTO_DIR DIR *dir = opendir(path);
	if (!dir) {
		return false;
	}
	const struct dirent *entry;
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = '\0';
			if (strcmp(target, node) == 0) {
				return true;
			}
		}
	}
	return false;
}

int kmscard_find_foreign_opener(const struct kmscard *card, struct kmscard_opener *ret) {
	char node[64];
	snprintf(node, sizeof(node), "/dev/dri/card%u", card->number);
	AUTO_DIR DIR *dir = opendir("/proc");
	if (!dir) {
		return -errno;
	}
	const struct dirent *entry;
	while ((entry = readdir(dir))) {
		char path[PATH_MAX];
		struct kmscard_opener opener = {.pid = (pid_t)atoi(entry->d_name)};
		if (opener.pid <= 0 || !has_open(entry->d_name, node)) {
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (read_line(path, opener.name, sizeof(opener.name)) && !is_friend(opener.name)) {
			*ret = opener;
			return 1;
		}
	}
	return 0;
}
