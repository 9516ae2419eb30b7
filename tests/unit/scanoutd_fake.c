/*
 * scanoutd on fake cards, for tests on a private bus. SCANOUTD_FAKE says which: the numbers of
 * outputs of card0, card1, … ("16", "4,2"), nothing for no card at all. "busy" in the place of a
 * number is a card whose master is somebody else, "held" one of four outputs on which somebody
 * holds the modeset lock: until somebody opens the FIFO "gate" in $RUNTIME_DIRECTORY for writing.
 * SCANOUTD_STARVE is the number of a shared file for starve_obey().
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_card.h"
#include "scanoutd.h"
#include "starve.h"

static void *wait_at_gate(void *gate) {
	int fd = open(gate, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		fake_release(FAKE_SNAPSHOT);
	}
	return NULL;
}

static void hold_snapshots(void) {
	static char gate[128];
	pthread_t thread;
	snprintf(gate, sizeof(gate), "%s/gate", getenv("RUNTIME_DIRECTORY"));
	fake_hold(FAKE_SNAPSHOT);
	if (pthread_create(&thread, NULL, wait_at_gate, gate) == 0) {
		pthread_detach(thread);
	}
}

static void add_cards(char *text) {
	char device[64];
	unsigned n = 0;
	for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		struct card_snapshot topology = fake_topology_virtio((unsigned)atoi(word));
		if (strcmp(word, "busy") == 0) {
			topology = fake_topology_virtio(1);
			fake_fail(FAKE_OPEN, n, 1, -EBUSY);
		}
		if (strcmp(word, "held") == 0) {
			topology = fake_topology_virtio(4);
			hold_snapshots();
		}
		snprintf(device, sizeof(device), "/dev/dri/card%u", n++);
		fake_card_add(device, &topology);
	}
}

int main(int argc, char *argv[]) {
	char text[128];
	const char *cards = getenv("SCANOUTD_FAKE"), *hunger = getenv("SCANOUTD_STARVE");
	snprintf(text, sizeof(text), "%s", cards ? cards : "");
	fake_init();
	add_cards(text);
	if (hunger) {
		starve_obey(atoi(hunger));
		close(atoi(hunger));
	}
	int status = scanoutd_run(argc, argv, &fake_card_ops);
	unsigned n_wrong = fake_n_seen() + fake_n_torn();
	if (n_wrong > 0) {
		fprintf(stderr, "scanoutd-fake: %u pictures seen or torn\n", n_wrong);
		status = 2;
	}
	fake_finish();
	return status;
}
